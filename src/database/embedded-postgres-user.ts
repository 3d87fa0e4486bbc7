// As whom PostgreSQL runs. It refuses uid 0, so a root start needs another identity that still reaches the binaries and
// the data, which may lie below a folder only root may enter. Nothing here opens a door: the data stays 0700.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, lchownSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'

const NOBODY = 65534

/** How to start a program: `[command, ...args]` becomes what is spawned, with these ids. */
export interface RunAs {
  /** the folder's owner as PostgreSQL must find it; null: whoever started us */
  owner: { uid: number; gid: number } | null
  wrap: (program: string, args: readonly string[]) => [string, string[]]
  ids: { uid?: number; gid?: number }
}

const AS_SELF: RunAs = { owner: null, wrap: (program, args) => [program, [...args]], ids: {} }

/** A user other than root that has a name, which initdb asks for: nobody, or where there is none whoever comes first. */
function namedUid(passwd = '/etc/passwd'): number {
  let uids: number[] = []
  try {
    uids = readFileSync(passwd, 'utf8').split('\n').map((line) => Number(line.split(':')[2])).filter((uid) => Number.isInteger(uid) && uid > 0)
  } catch {
    // no such file: names may come from elsewhere
  }
  return uids.includes(NOBODY) ? NOBODY : (uids[0] ?? NOBODY)
}

/** A user namespace in which we are called by another user's name: PostgreSQL sees neither root nor a nameless user, and the files stay ours. */
function inNamespace(owner: RunAs['owner']): RunAs {
  const uid = namedUid()
  return { owner, wrap: (program, args) => ['unshare', ['--user', `--map-user=${uid}`, `--map-group=${uid}`, '--', program, ...args]], ids: {} }
}

/** Has the user who started us a name? Kubernetes and OpenShift like to run containers under a number that nobody has. */
function isNamed(): boolean {
  try {
    userInfo()
    return true
  } catch {
    return false
  }
}

/**
 * Another user that may pass any folder. Without no_setuid_fixup the kernel takes the capability back inside access(2),
 * which initdb asks (capabilities(7), "Effect of user ID changes").
 */
function withCapability(uid: number, gid: number): RunAs {
  const change = ['--securebits', '+no_setuid_fixup', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--inh-caps', '+dac_override', '--ambient-caps', '+dac_override', '--']
  return { owner: { uid, gid }, wrap: (program, args) => ['setpriv', [...change, program, ...args]], ids: {} }
}

/** Another user without privileges: works where binaries and data lie in folders that anybody may enter. */
function asOther(uid: number, gid: number): RunAs {
  return { owner: { uid, gid }, wrap: (program, args) => [program, [...args]], ids: { uid, gid } }
}

function works(runAs: RunAs, program: string, args: readonly string[]): boolean {
  const [command, all] = runAs.wrap(program, args)
  return spawnSync(command, all, { ...runAs.ids, stdio: 'ignore', timeout: 10_000 }).status === 0
}

/**
 * The first way in which `postgres` runs and reaches the data folder (which exists) and the cluster in it (which may not
 * yet). Data that belongs to a user other than root keeps that owner. Throws EmbeddedPostgresError when there is no way.
 */
export function chooseRunAs(postgres: string, dataFolder: string, cluster: string): RunAs {
  const { uid: owner, gid: group } = statSync(existsSync(cluster) ? cluster : dataFolder)
  const self = process.getuid?.() ?? owner
  if (self !== 0) {
    if (existsSync(cluster) && owner !== self) throw new EmbeddedPostgresError(`${cluster} belongs to uid ${owner} and Gatehouse was started by uid ${self}: start it as its owner`)
    const nameless = inNamespace(null)
    // only initdb asks for the name
    return !existsSync(cluster) && !isNamed() && works(nameless, postgres, ['--version']) ? nameless : AS_SELF
  }
  const [uid, gid] = owner === 0 ? [NOBODY, NOBODY] : [owner, group]
  const ways = owner === 0 ? [inNamespace({ uid: 0, gid: 0 }), withCapability(uid, gid)] : [withCapability(uid, gid)]
  const privileged = ways.find((way) => works(way, postgres, ['--version']))
  if (privileged) return privileged
  const other = asOther(uid, gid)
  if (works(other, postgres, ['--version']) && works(other, 'test', ['-x', dirname(dataFolder)])) {
    // passing through is all that is given: the secret in it is 0600 and the cluster 0700
    chmodSync(dataFolder, statSync(dataFolder).mode | 0o011)
    return other
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and uid ${uid} cannot be made to reach ${dataFolder} and ${postgres}: start Gatehouse as another user, move it to folders that anybody may enter, or set DATABASE_URL`)
}

/** Gives the folder and all in it to the owner PostgreSQL runs as, when it is not theirs already. */
export function giveTo(runAs: RunAs, folder: string): void {
  if (!runAs.owner || statSync(folder).uid === runAs.owner.uid) return
  const { uid, gid } = runAs.owner
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) lchownSync(join(entry.parentPath, entry.name), uid, gid)
  chownSync(folder, uid, gid) // last: an interrupted change is begun anew
}

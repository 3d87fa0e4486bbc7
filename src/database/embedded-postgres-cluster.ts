// The files of the embedded PostgreSQL: made once, whole or not at all, and the short socket folder they are reached by.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Binaries } from './embedded-postgres-binaries.js'
import { EmbeddedPostgresError, messageOf } from './embedded-postgres-error.js'
import { giveTo, type RunAs } from './embedded-postgres-user.js'

export const SUPERUSER = 'gatehouse'
const UNFINISHED = /^postgres\.new-(\d+)-/ // the process that makes it
const UNFINISHED_MAX_MS = 600_000
// sockaddr_un holds 108 bytes on Linux and 104 on macOS; "/.s.PGSQL.5432.lock" and the final zero take 20
const SOCKET_FOLDER_MAX_BYTES = 80

/** What PostgreSQL's programs get to see of the environment: its own PG* variables must not reach them. */
export function quietEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}

export function isInitialised(cluster: string): boolean {
  return existsSync(join(cluster, 'PG_VERSION'))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** What a start that was killed half way has left; never that of a start at work beside us. */
function removeUnfinished(dataFolder: string): void {
  for (const name of readdirSync(dataFolder)) {
    const folder = join(dataFolder, name)
    const maker = UNFINISHED.exec(name)
    const found = lstatSync(folder, { throwIfNoEntry: false })
    if (maker && found && (!isAlive(Number(maker[1])) || Date.now() - found.mtimeMs > UNFINISHED_MAX_MS)) rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a program to its end, in a process group of its own, which `signal` kills. Returns what it complained of; null when it was content. */
async function run([command, args]: [string, string[]], ids: RunAs['ids'], signal?: AbortSignal): Promise<string | null> {
  const child = spawn(command, args, { ...ids, detached: true, stdio: ['ignore', 'ignore', 'pipe'], env: quietEnvironment(), cwd: '/' })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const kill = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // it has ended
    }
  }
  if (signal?.aborted === true) kill()
  signal?.addEventListener('abort', kill)
  try {
    const [status] = (await once(child, 'close')) as [number | null]
    return status === 0 ? null : said.trim() || 'it was ended'
  } catch (error) {
    return messageOf(error)
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

function complaintOf(dataFolder: string, said: string): string {
  const nameless = /could not look up effective user ID (\d+)/.exec(said)?.[1]
  if (nameless !== undefined) return `PostgreSQL needs a name for uid ${nameless}, which /etc/passwd does not have, and no user namespace may be made to give it one: add the entry, start Gatehouse as another user, or set DATABASE_URL`
  return `PostgreSQL's files could not be made in ${dataFolder}: ${said}`
}

/**
 * Makes the cluster beside its place and renames it in: a start that was killed or called off half way leaves nothing that looks
 * whole, and of two at once one wins. `trust` is safe because the server listens on a socket in a 0700 folder and nowhere else.
 */
export async function initialise(cluster: string, dataFolder: string, binaries: Binaries, runAs: RunAs, signal?: AbortSignal): Promise<void> {
  removeUnfinished(dataFolder)
  const fresh = mkdtempSync(join(dataFolder, `postgres.new-${process.pid}-`))
  giveTo(runAs, fresh)
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
  try {
    const said = await run(runAs.wrap(binaries.initdb, ['-D', fresh, '-U', SUPERUSER, '-A', 'trust', '--no-instructions', ...locale]), runAs.ids, signal)
    if (signal?.aborted === true) throw new EmbeddedPostgresError('The start was called off')
    if (said !== null) throw new EmbeddedPostgresError(complaintOf(dataFolder, said))
    renameSync(fresh, cluster)
  } catch (cause) {
    if (signal?.aborted !== true && isInitialised(cluster)) return // another start was faster
    throw cause instanceof EmbeddedPostgresError ? cause : new EmbeddedPostgresError(`${cluster} could not be made: ${messageOf(cause)}`, { cause })
  } finally {
    rmSync(fresh, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Can nobody but us get at what lies in this folder? A name below a shared /tmp may have been taken by somebody else meanwhile. */
export function isPrivate(folder: string, runAs: RunAs): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (!found?.isDirectory() || (found.mode & 0o077) !== 0) return false
  return found.uid === process.getuid?.() || found.uid === runAs.owner?.uid
}

/** A new 0700 folder with a short name: below TMPDIR, or where that is too long or cannot be written below a usual one. */
function shortFolder(): string {
  let reason = ''
  for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp', '/dev/shm'])) {
    if (Buffer.byteLength(parent) > SOCKET_FOLDER_MAX_BYTES - '/gatehouse-XXXXXX'.length) continue
    try {
      return mkdtempSync(join(parent, 'gatehouse-'))
    } catch (error) {
      reason = `: ${messageOf(error)}`
    }
  }
  throw new EmbeddedPostgresError(`No folder for PostgreSQL's socket: GATEHOUSE_DATA_DIR is longer than ${SOCKET_FOLDER_MAX_BYTES} bytes, and TMPDIR is too long or cannot be written${reason}`)
}

/** A 0700 folder for the socket: the cluster's own, or, when its path is too long for a socket's name, the last one or a new short one. */
export function socketFolderFor(cluster: string, runAs: RunAs, last?: string): string {
  if (Buffer.byteLength(cluster) <= SOCKET_FOLDER_MAX_BYTES) return cluster
  if (last !== undefined && isPrivate(last, runAs)) return last
  const folder = shortFolder()
  giveTo(runAs, folder)
  return folder
}

/** Brings a socket folder back that a cleaner of temporary files took away; throws when the name is somebody else's by now. */
export function restoreFolder(folder: string, runAs: RunAs): void {
  if (isPrivate(folder, runAs)) return
  mkdirSync(folder, { mode: 0o700 })
  giveTo(runAs, folder)
}

// Several redis-servers of a test's own: a master, a replica and the sentinels that watch them, or a cluster; on private ports and in a folder that is deleted.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './database.js'
import { eventually, freePort, type Member, startMember } from './redis.js'

/** A folder for this test's servers, deleted when they are gone. */
export async function serverFolder(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-redis-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

export interface Watched {
  /** for REDIS_URL, with the password in it */
  url: string
  master: Member
  replica: Member
  sentinels: Member[]
}

/** A master and a replica with `password`, watched by three sentinels that take a silence of 500 ms for its end. */
export async function watchedRedis(t: Teardown, password: string): Promise<Watched> {
  const folder = await serverFolder(t)
  const server = async (...more: string[]): Promise<Member> => {
    const port = await freePort()
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, '--dbfilename', `${port}.rdb`, '--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0']
    return startMember(t, port, [...own, ...more], password)
  }
  const master = await server()
  const replica = await server('--replicaof', `127.0.0.1 ${master.port}`)
  await eventually(async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))), 10_000)
  const sentinels: Member[] = []
  for (let count = 0; count < 3; count += 1) {
    const port = await freePort()
    const file = join(folder, `sentinel-${port}.conf`)
    await writeFile(file, [
      `port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, `sentinel monitor main 127.0.0.1 ${master.port} 2`, `sentinel auth-pass main ${password}`,
      'sentinel down-after-milliseconds main 500', 'sentinel failover-timeout main 3000', '',
    ].join('\n'))
    sentinels.push(await startMember(t, port, [file, '--sentinel']))
  }
  // each must know the replica and the others before it can act
  for (const { command } of sentinels) {
    await eventually(async () => /slaves=1,sentinels=3/.test(String(await command('INFO', 'sentinel'))), 20_000)
  }
  return { url: `redis+sentinel://:${password}@${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main/0`, master, replica, sentinels }
}

export interface Clustered {
  /** for REDIS_URL, with the password in it */
  url: string
  members: Member[]
  /** the master that serves this key */
  homeOf: (key: string) => Promise<Member>
}

/** A cluster of three masters, with a replica for each or none, that takes a silence of a second for an end. Without all of its slots it goes on with the others. */
export async function clusteredRedis(t: Teardown, password: string, { replicas }: { replicas: 0 | 1 }): Promise<Clustered> {
  const folder = await serverFolder(t)
  const members: Member[] = []
  for (let count = 0; count < 3 * (1 + replicas); count += 1) {
    const [port, busPort] = [await freePort(), await freePort()]
    members.push(await startMember(t, port, [
      '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, '--dbfilename', `${port}.rdb`, '--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0',
      '--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', '1000', '--cluster-port', String(busPort), '--cluster-require-full-coverage', 'no',
    ], password))
  }
  const addresses = members.map(({ port }) => `127.0.0.1:${port}`)
  const made = spawnSync('redis-cli', ['--no-auth-warning', '-a', password, '--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes'], { encoding: 'utf8', timeout: 60_000 })
  if (made.status !== 0) throw new Error(`redis-cli: ${made.stdout} ${made.stderr}`)
  for (const { command } of members) {
    await eventually(async () => /cluster_state:ok/.test(String(await command('CLUSTER', 'INFO'))), 20_000)
    await eventually(async () => !/master_link_status:down/.test(String(await command('INFO', 'replication'))), 20_000)
  }
  return {
    url: `redis+cluster://:${password}@${addresses.join(',')}`, members,
    async homeOf(key) {
      for (const member of members) {
        if (await member.command('GET', key).then(() => true, () => false)) return member
      }
      throw new Error('no master serves it')
    },
  }
}

// What the nodes run on: a plain PostgreSQL and Redis that one scenario after another breaks, or a system of which one part is lost.
import { spawnSync } from 'node:child_process'
import { NO_PGBOUNCER, type PgBouncer, pgBouncer } from '../test/support/pgbouncer.js'
import { eventually } from '../test/support/redis.js'
import { clusteredRedis, watchedRedis } from '../test/support/redis-group.js'
import type { Part } from './part.js'
import type { PartStage } from './part-scenarios.js'
import { openPostgresPair } from './postgres-pair.js'
import type { World } from './scenarios.js'
import { isRedisInstalled, openPostgres, openRedisServer } from './stores.js'
import { openWire } from './wire.js'

export type StageName = 'plain' | 'workers' | PartStage

export interface Stores {
  databaseUrl: string
  redisUrls: string[]
  workers: number
  /** of the plain stages */
  world: Omit<World, 'nodes'> | null
  /** of the others */
  part: Part | null
}

/** Where something that has to be ended is handed over to whoever ends it, last in, first out. */
export interface Undo {
  teardown: (work: () => unknown) => void
}

const PASSWORD = 'faults'
/** a failover of Redis is noticed within a second, and then voted on */
const FAILOVER_MAX_MS = 30_000
const NODES = 3

/** Why this stage cannot be set here; null: it can. */
export function missingFor(stage: StageName): string | null {
  if (!isRedisInstalled()) return 'redis-server is not installed'
  if (stage.startsWith('pooler') && NO_PGBOUNCER !== false) return NO_PGBOUNCER
  if (stage === 'cluster' && spawnSync('redis-cli', ['--version']).status !== 0) return 'redis-cli is not installed'
  return null
}

const sameFor = (url: string): string[] => Array.from({ length: NODES }, () => url)

async function openPlain(folder: string, undo: Undo, workers: number): Promise<Stores> {
  const postgres = await openPostgres(folder, process.env['GATEHOUSE_TEST_DATABASE_URL'])
  undo.teardown(postgres.close)
  const redis = await openRedisServer(folder)
  undo.teardown(redis.close)
  const wire = await openWire(redis.url)
  undo.teardown(wire.close)
  return { databaseUrl: postgres.url, redisUrls: [wire.url, redis.url, redis.url], workers, world: { postgres, redis, wire }, part: null }
}

function poolerPart({ stop, start }: PgBouncer): Part {
  return { lose: () => stop('SIGKILL'), mend: start, rejoin: async () => undefined }
}

async function clusterPart(undo: Undo): Promise<{ url: string; part: Part }> {
  const { url, homeOf } = await clusteredRedis(undo, PASSWORD, { replicas: 1 })
  const home = (): ReturnType<typeof homeOf> => homeOf('{gatehouse:}home')
  let lost = await home()
  const part: Part = {
    async lose() {
      lost = await home()
      await lost.kill()
    },
    mend: async () => void await eventually(async () => (await home()).port !== lost.port, FAILOVER_MAX_MS),
    rejoin: () => lost.start(),
  }
  return { url, part }
}

async function sentinelPart(undo: Undo): Promise<{ url: string; part: Part }> {
  const { url, master, replica } = await watchedRedis(undo, PASSWORD)
  const part: Part = {
    lose: master.kill,
    mend: async () => void await eventually(async () => String(await replica.command('ROLE')).startsWith('master'), FAILOVER_MAX_MS),
    rejoin: master.start,
  }
  return { url, part }
}

/** Starts what a stage needs, below `folder`. */
export async function openStores(stage: StageName, folder: string, undo: Undo): Promise<Stores> {
  if (stage === 'plain' || stage === 'workers') return openPlain(folder, undo, stage === 'workers' ? 2 : 1)
  const common = { workers: 1, world: null }
  if (stage === 'cluster' || stage === 'sentinel') {
    const postgres = await openPostgres(folder, process.env['GATEHOUSE_TEST_DATABASE_URL'])
    undo.teardown(postgres.close)
    const { url, part } = await (stage === 'cluster' ? clusterPart : sentinelPart)(undo)
    return { ...common, databaseUrl: postgres.url, redisUrls: sameFor(url), part }
  }
  const redis = await openRedisServer(folder)
  undo.teardown(redis.close)
  const redisUrls = sameFor(redis.url)
  if (stage === 'failover') {
    const pair = await openPostgresPair(folder)
    undo.teardown(pair.close)
    return { ...common, databaseUrl: pair.url, redisUrls, part: pair.part }
  }
  const postgres = await openPostgres(folder, process.env['GATEHOUSE_TEST_DATABASE_URL'])
  undo.teardown(postgres.close)
  // in session mode each connection of each node takes one for itself
  const bouncer = await pgBouncer(undo, postgres.url, stage === 'pooler-session' ? { mode: 'session', poolSize: 50 } : { mode: 'transaction', poolSize: 12 })
  return { ...common, databaseUrl: bouncer.url, redisUrls, part: poolerPart(bouncer) }
}

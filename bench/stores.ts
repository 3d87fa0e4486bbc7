// The stores of the measured Gatehouse, for those who come to them beside it: more nodes of the same database, and peers.
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { SUPERUSER } from '../src/database/embedded-postgres-cluster.js'
import { readPostmaster, SOCKET_PORT } from '../src/database/embedded-postgres-process.js'
import { embeddedSecret } from '../src/database/embedded-secret.js'
import { DATA_FOLDER } from './environment.js'
import { type Gatehouse, startGatehouse } from './gatehouse.js'

// a prefix of its own: another Gatehouse may be on it
const LOCAL_REDIS = 'redis://127.0.0.1:6379/9?keyPrefix=gatehouse-bench:'

/** A URL for pg. Without DATABASE_URL Gatehouse must be running, for it owns the embedded PostgreSQL. */
export function databaseUrlOf(databaseUrl: string | null): string {
  if (databaseUrl !== null) return databaseUrl
  const postmaster = readPostmaster(join(DATA_FOLDER, 'postgres'))
  if (!postmaster) throw new Error('The embedded PostgreSQL is not running')
  return `postgres://${SUPERUSER}@localhost:${SOCKET_PORT}/postgres?host=${encodeURIComponent(postmaster.socketFolder)}`
}

/** An empty database of its own beside the bench's, for as long as `work` takes: a node whose Redis no other node of a database has must be alone there. */
export async function withOwnDatabase<T>(databaseUrl: string | null, work: (url: string) => Promise<T>): Promise<T> {
  const name = 'gatehouse_bench_own'
  const client = new pg.Client({ connectionString: databaseUrlOf(databaseUrl) })
  await client.connect()
  try {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${name}`)
    const url = new URL(databaseUrlOf(databaseUrl))
    url.pathname = `/${name}`
    return await work(url.href)
  } finally {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(() => undefined)
    await client.end()
  }
}

/** The embedded PostgreSQL's first process; null with DATABASE_URL. */
export function embeddedPostmaster(databaseUrl: string | null): number | null {
  return databaseUrl === null ? (readPostmaster(join(DATA_FOLDER, 'postgres'))?.pid ?? null) : null
}

/** The URL of a Redis that answers, or null when none was asked for and there is none. Throws when REDIS_URL does not answer. */
export async function findRedis(given: string | null | undefined): Promise<string | null> {
  const asked = given !== undefined && given !== null && given !== ''
  const url = asked ? given : LOCAL_REDIS
  const target = new URL(url)
  target.searchParams.delete('keyPrefix') // Gatehouse's own
  const client = new Redis(target.href, { lazyConnect: true, connectTimeout: 1_000, maxRetriesPerRequest: 0, retryStrategy: null })
  client.on('error', () => {}) // connect() tells
  try {
    await client.connect()
    await client.ping()
    return url
  } catch (error) {
    if (!asked) return null
    throw new Error(`REDIS_URL does not answer: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    client.disconnect()
  }
}

export interface NodeOptions {
  prefix: readonly string[]
  databaseUrl: string | null
  /** null: without */
  redisUrl: string | null
  environment?: Readonly<Record<string, string>>
}

async function startNode({ prefix, databaseUrl, redisUrl, environment = {} }: NodeOptions): Promise<Gatehouse> {
  return startGatehouse(prefix, {
    environment: {
      DATABASE_URL: databaseUrlOf(databaseUrl), ...(databaseUrl === null ? { GATEHOUSE_SECRET: embeddedSecret(DATA_FOLDER) } : {}),
      REDIS_URL: redisUrl ?? '', ...environment,
    },
  })
}

/** Throws unless the node says that it has Redis, or that it has none. */
async function requireRedis({ api }: Gatehouse, wanted: boolean): Promise<void> {
  const { checks } = await api.json<{ checks: Record<string, string> }>('/readyz')
  if (checks['redis'] !== (wanted ? 'ok' : 'off')) throw new Error(`A node ${wanted ? 'with' : 'without'} REDIS_URL says that Redis is ${checks['redis'] ?? 'unknown'}`)
}

/**
 * More nodes on the database of the Gatehouse that runs, for as long as `work` takes. Throws when one does not have the Redis it was
 * given, before or after: it has counted alone, and measured something else.
 */
export async function withNodes<T>(wanted: readonly NodeOptions[], work: (nodes: readonly Gatehouse[]) => Promise<T>): Promise<T> {
  const nodes: Gatehouse[] = []
  const check = async (): Promise<void> => {
    for (const [at, node] of nodes.entries()) await requireRedis(node, wanted[at]?.redisUrl !== null)
  }
  try {
    for (const options of wanted) nodes.push(await startNode(options))
    await check()
    const result = await work(nodes)
    await check()
    return result
  } finally {
    for (const node of nodes) await node.stop()
  }
}

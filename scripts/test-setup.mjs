// Gives a test run its stores: a PostgreSQL server with one migrated template database, and a Redis when there is one.
// Test files learn of both through GATEHOUSE_TEST_* variables. Never touches a database it did not make.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { createServer, connect } from 'node:net'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { register } from 'tsx/esm/api'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
// what is written is thrown away: no need to wait for the disk
const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' }
const STRICT = process.env.CI === 'true'
const MEMORY_FOLDER = '/dev/shm'
const MEMORY_AT_LEAST = 6e9

/** The URL of a database on the server of `base`. */
export function databaseUrl(base, name) {
  const url = new URL(base)
  url.pathname = `/${name}`
  return url.href
}

/** A URL for a pg.PoolConfig; a host that is a folder (a Unix socket) travels as a parameter. */
function urlOf({ host = 'localhost', port = 5432, user = 'postgres', password }) {
  const url = new URL(`postgres://localhost:${port}/postgres`)
  url.username = user
  if (typeof password === 'string') url.password = password
  if (host.startsWith('/')) url.searchParams.set('host', host)
  else url.hostname = host
  return url.href
}

/** Where the run's data lies: in memory where there is plenty and programs may run there, for a database is some seven hundred files, which a disk makes in most of a second. */
async function chooseFolder() {
  try {
    const { bavail, bsize } = await statfs(MEMORY_FOLDER)
    if (Math.min(bavail * bsize, freemem()) < MEMORY_AT_LEAST) return tmpdir()
    const folder = await mkdtemp(join(MEMORY_FOLDER, 'gatehouse-test-'))
    const program = join(folder, 'program')
    await writeFile(program, '#!/bin/sh\n', { mode: 0o755 })
    const { status } = spawnSync(program)
    await rm(folder, { recursive: true })
    return status === 0 ? MEMORY_FOLDER : tmpdir()
  } catch {
    return tmpdir() // another system, or it is not ours to write to
  }
}

async function findServer(cleanUp, folder) {
  const given = process.env.GATEHOUSE_TEST_DATABASE_URL
  if (given) return { url: given, note: 'PostgreSQL: GATEHOUSE_TEST_DATABASE_URL' }
  const { startEmbeddedPostgres } = await import('../src/database/embedded-postgres.ts')
  const dataDir = await mkdtemp(join(folder, 'gatehouse-test-'))
  try {
    const embedded = await startEmbeddedPostgres({ dataDir, log: (message) => console.error(`# ${message}`), settings: SETTINGS })
    cleanUp.push(() => rm(dataDir, { recursive: true, force: true }), () => embedded.stop())
    return { url: urlOf(embedded.connection), note: `PostgreSQL: embedded, in ${folder}` }
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true })
    throw error
  }
}

async function withPool(url, work) {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => {})
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

/** Makes the run's template database. Test databases share its prefix, so that the end of the run can drop what a killed file left. */
async function makeTemplate(server, cleanUp) {
  const prefix = `gatehouse_test_${process.pid}_${Date.now().toString(36)}`
  const template = `${prefix}_template`
  cleanUp.push(() => withPool(server, async (pool) => {
    const { rows } = await pool.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [prefix])
    for (const { datname } of rows) await pool.query(`DROP DATABASE IF EXISTS "${datname}" WITH (FORCE)`)
  }))
  await withPool(server, (pool) => pool.query(`CREATE DATABASE "${template}"`))
  const { migrate } = await import('../src/database/migrate.ts')
  await withPool(databaseUrl(server, template), (pool) => migrate(pool, join(ROOT, 'prisma', 'migrations')))
  return template
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Does a Redis answer PING there? Speaks the protocol itself: no client has to be set up for one question. */
function redisAnswers(url) {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 6379), timeout: 1000 })
    const done = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', (data) => done(/^(\+PONG|-NOAUTH)/.test(data.toString())))
    socket.on('error', () => done(false))
    socket.on('timeout', () => done(false))
  })
}

async function startRedis(cleanUp) {
  if (spawnSync('redis-server', ['--version']).status !== 0) return null
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()], { stdio: 'ignore' })
  cleanUp.push(() => void child.kill('SIGTERM'))
  const url = `redis://127.0.0.1:${port}`
  for (let attempt = 0; attempt < 50; attempt++) {
    if (await redisAnswers(url)) return url
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return null
}

async function findRedis(cleanUp) {
  const given = process.env.GATEHOUSE_TEST_REDIS_URL ?? process.env.REDIS_URL
  if (given) {
    if (!given.startsWith('rediss:') && !(await redisAnswers(given))) throw new Error('REDIS_URL: no Redis answers there')
    return { url: given, note: 'Redis: REDIS_URL' }
  }
  const local = 'redis://127.0.0.1:6379'
  if (await redisAnswers(local)) return { url: local, note: 'Redis: 127.0.0.1:6379' }
  const started = await startRedis(cleanUp)
  if (started) return { url: started, note: 'Redis: started for this run' }
  if (STRICT) throw new Error('No Redis: set REDIS_URL, or install redis-server')
  return { url: null, note: 'Redis: none, its tests are skipped' }
}

/**
 * Sets the stores up. `env` is for the test files; `tearDown` must be awaited, whatever happened.
 * Throws when there is no PostgreSQL, or (CI=true) no Redis.
 */
export async function setUpStores() {
  const cleanUp = []
  const tearDown = async () => {
    for (const step of cleanUp.splice(0).toReversed()) await step()
  }
  const unregister = register()
  try {
    const folder = await chooseFolder()
    const server = await findServer(cleanUp, folder)
    const template = await makeTemplate(server.url, cleanUp)
    const redis = await findRedis(cleanUp)
    const env = { GATEHOUSE_TEST_DATABASE_URL: server.url, GATEHOUSE_TEST_TEMPLATE: template, GATEHOUSE_TEST_FOLDER: folder, ...(redis.url ? { GATEHOUSE_TEST_REDIS_URL: redis.url } : {}) }
    return { env, notes: [server.note, redis.note], tearDown }
  } catch (error) {
    await tearDown()
    throw error
  } finally {
    await unregister()
  }
}

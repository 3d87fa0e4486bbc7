// A migrated database for one test file, copied from the run's template and dropped at the end.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { connectDatabase, type Database } from '../../src/database/connect.js'

/** What this needs of a tap test. */
export interface Teardown {
  teardown: (work: () => unknown) => void
}

export interface TestDatabase extends Database {
  url: string
}

// fifty at once wait for six connections: on a busy machine longer than the program would let them
const PATIENT_MS = 30_000

/** A variable of the run's set-up. Throws with the command that sets it. */
export function fromSetUp(name: 'GATEHOUSE_TEST_DATABASE_URL' | 'GATEHOUSE_TEST_TEMPLATE'): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: run test files with node scripts/tap.mjs FILE`)
  return value
}

/** Runs SQL on the test server, outside any test database. */
export async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: fromSetUp('GATEHOUSE_TEST_DATABASE_URL') })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** A fresh database, migrated as at the start of the program; without `template` an empty one. Returns its name and URL. */
export async function createBareDatabase(t: Teardown, template?: string): Promise<{ name: string; url: string }> {
  const prefix = fromSetUp('GATEHOUSE_TEST_TEMPLATE').replace(/_template$/, '')
  const name = `${prefix}_${randomBytes(6).toString('hex')}`
  await onServer(`CREATE DATABASE "${name}"${template === undefined ? '' : ` TEMPLATE "${template}"`}`)
  t.teardown(() => onServer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`))
  const zone = process.env['GATEHOUSE_TEST_TIME_ZONE'] // test/store/time-zone.test.ts: the same tests in another zone
  if (zone !== undefined) await onServer(`ALTER DATABASE "${name}" SET TimeZone = '${zone}'`)
  const url = new URL(fromSetUp('GATEHOUSE_TEST_DATABASE_URL'))
  url.pathname = `/${name}`
  return { name, url: url.href }
}

/** A migrated database of its own, connected; closed and dropped when `t` ends. */
export async function createTestDatabase(t: Teardown, options: { poolMax?: number } = {}): Promise<TestDatabase> {
  const { url } = await createBareDatabase(t, fromSetUp('GATEHOUSE_TEST_TEMPLATE'))
  const database = connectDatabase({ connection: { connectionString: url, connectionTimeoutMillis: PATIENT_MS }, poolMax: options.poolMax ?? 6, onError: () => undefined })
  t.teardown(() => database.close())
  return { ...database, url }
}

// Migrations against empty databases of the test server: order, repetition, failure, and two nodes at once.
import { appendFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate, MigrationError, migrationsFolder, programVersion } from '../../src/database/migrate.js'
import { pendingMigrations } from '../../src/database/pending-migrations.js'
import { createBareDatabase, onServer } from '../support/database.js'

async function emptyDatabase(t: Test): Promise<pg.Pool> {
  const { url } = await createBareDatabase(t)
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  // the database may be dropped, and its connections with it, before the pool has said goodbye
  pool.on('error', () => undefined)
  t.teardown(() => pool.end())
  return pool
}

/** A folder of migrations named after their place in the order. */
function folderOf(t: Test, ...scripts: string[]): string {
  const folder = t.testdir()
  for (const [at, sql] of scripts.entries()) {
    mkdirSync(join(folder, `${at + 1}_step`))
    writeFileSync(join(folder, `${at + 1}_step`, 'migration.sql'), sql)
  }
  return folder
}

async function has(pool: pg.Pool, relation: string): Promise<boolean> {
  const { rows } = await pool.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [relation])
  return rows[0]?.found === true
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(() => new Error('it did not fail'), (error: unknown) => error instanceof Error ? error : new Error(String(error)))
}

t.test('an empty database gets the whole schema and the first rows', async (t) => {
  const pool = await emptyDatabase(t)
  const done = await migrate(pool)
  t.ok(done.length >= 1)
  t.match(done[0], /^\d{14}_init$/)
  t.same(await pendingMigrations(pool), [])
  const { rows } = await pool.query('SELECT name, permissions FROM roles ORDER BY name')
  t.same(rows, [{ name: 'admin', permissions: ['gatehouse:*', '*:*'] }, { name: 'member', permissions: ['gatehouse:own.keys', 'gatehouse:own.profile', 'gatehouse:own.sessions', 'gatehouse:own.factors'] }])
})

t.test('a second run does nothing', async (t) => {
  const pool = await emptyDatabase(t)
  await migrate(pool)
  const before = await pool.query('SELECT * FROM _prisma_migrations ORDER BY migration_name')
  t.same(await migrate(pool), [])
  t.same((await pool.query('SELECT * FROM _prisma_migrations ORDER BY migration_name')).rows, before.rows)
})

t.test('of nodes at once one applies each migration, in order, and all find it done', async (t) => {
  const pool = await emptyDatabase(t)
  const outcomes = await Promise.all([migrate(pool), migrate(pool), migrate(pool)])
  const { rows } = await pool.query<{ name: string }>('SELECT migration_name AS name FROM _prisma_migrations ORDER BY finished_at')
  t.same(rows.map(({ name }) => name), rows.map(({ name }) => name).toSorted(), 'in order')
  t.same(outcomes.flat().toSorted(), rows.map(({ name }) => name), 'each by one')
  t.same(await pendingMigrations(pool), [])
})

t.test('a migration edited after it was applied is refused', async (t) => {
  const pool = await emptyDatabase(t)
  const folder = t.testdir()
  cpSync(migrationsFolder(), folder, { recursive: true })
  const [name = ''] = await migrate(pool, folder)
  appendFileSync(join(folder, name, 'migration.sql'), '\nCREATE TABLE smuggled ();\n')
  const error = await failureOf(migrate(pool, folder))
  t.ok(error instanceof MigrationError)
  t.match(error.message, new RegExp(`${name} was edited after it was applied`))
  t.notOk(await has(pool, 'smuggled'))
})

t.test('a failing migration leaves nothing of itself, and those before it stay', async (t) => {
  const pool = await emptyDatabase(t)
  const folder = folderOf(t, 'CREATE TABLE first ();', 'CREATE TABLE second (); SELECT 1 / 0;', 'CREATE TABLE third ();')
  const error = await failureOf(migrate(pool, folder))
  t.ok(error instanceof MigrationError)
  t.match(error.message, /2_step failed and was rolled back: division by zero/)
  t.ok(await has(pool, 'first'))
  t.notOk(await has(pool, 'second'))
  t.notOk(await has(pool, 'third'))
  t.same(await pendingMigrations(pool, folder), ['2_step', '3_step'])

  writeFileSync(join(folder, '2_step', 'migration.sql'), 'CREATE TABLE second ();')
  t.same(await migrate(pool, folder), ['2_step', '3_step'], 'mended, it goes on where it stopped')
})

t.test('a database that a newer version has migrated is refused with both versions, and left as it is', async (t) => {
  const pool = await emptyDatabase(t)
  await migrate(pool)
  const { rows } = await pool.query<{ logs: string }>('SELECT DISTINCT logs FROM _prisma_migrations')
  t.same(rows, [{ logs: `gatehouse ${programVersion()}` }], 'each notes who applied it')
  const add = (name: string, logs: string | null, more = ''): Promise<unknown> => pool.query(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, finished_at${more && ', rolled_back_at'}) VALUES (gen_random_uuid(), 'x', $1, $2, now()${more && ', now()'})`, [name, logs])
  await add('20990101000000_undone', null, 'rolled back')
  await t.resolves(migrate(pool), 'one that was rolled back is not there')
  await add('20990101000001_by_prisma', null)
  t.match((await failureOf(migrate(pool))).message, new RegExp(`^The database was migrated by a newer Gatehouse \\(20990101000001_by_prisma\\) and this is Gatehouse ${programVersion()}`))
  await add('20990101000002_next', 'gatehouse 99.1.0')
  const error = await failureOf(migrate(pool))
  t.ok(error instanceof MigrationError)
  t.match(error.message, new RegExp(`^The database was migrated by Gatehouse 99\\.1\\.0 \\(20990101000002_next\\) and this is Gatehouse ${programVersion()}`))
  t.notMatch(error.message, /\n/)
  t.same(await pendingMigrations(pool), [], 'a node of the old version that runs on stays ready')
})

t.test('a migration that Prisma left unfinished is refused', async (t) => {
  const pool = await emptyDatabase(t)
  const folder = folderOf(t, 'CREATE TABLE first ();')
  await migrate(pool, folder)
  await pool.query('UPDATE _prisma_migrations SET finished_at = NULL')
  t.match((await failureOf(migrate(pool, folder))).message, /1_step failed earlier and was not resolved/)
})

t.test('the schema refuses what no program may do', async (t) => {
  const pool = await emptyDatabase(t)
  await migrate(pool)
  await pool.query(`INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id)
    VALUES (gen_random_uuid(), now(), 'user', '', '', 'a.b', 'c', 'd', '', '')`)
  for (const statement of ["UPDATE audit_events SET action = 'x.y'", 'DELETE FROM audit_events', 'TRUNCATE audit_events']) {
    t.match((await failureOf(pool.query(statement))).message, /append-only/, statement)
  }
  await pool.query('INSERT INTO installation (set_up_at, by_user) VALUES (now(), gen_random_uuid())')
  t.match((await failureOf(pool.query('INSERT INTO installation (id, set_up_at, by_user) VALUES (2, now(), gen_random_uuid())'))).message, /installation_one_row/)
  t.match((await failureOf(pool.query("INSERT INTO roles VALUES ('x', '', NULL)"))).message, /roles_permissions_given/)
  t.equal((await pool.query('SELECT 1 FROM audit_events')).rowCount, 1)
})

t.test('a user who may not make tables is told what to grant, and is not asked for more when there is nothing to make', async (t) => {
  const { name, url } = await createBareDatabase(t)
  const role = `${name}_app`
  await onServer(`CREATE ROLE "${role}"`)
  t.teardown(() => onServer(`DROP ROLE "${role}"`))
  const owner = new pg.Pool({ connectionString: url, max: 1 })
  const user = new pg.Pool({ connectionString: url, max: 1, options: `-c role=${role}` })
  for (const pool of [owner, user]) pool.on('error', () => undefined)
  t.teardown(() => Promise.all([owner.end(), user.end()]))
  await owner.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
  const error = await failureOf(migrate(user))
  t.ok(error instanceof MigrationError)
  t.equal(error.message, `The database user may not make Gatehouse's tables: GRANT CREATE ON SCHEMA public TO ${role}`)
  await migrate(owner)
  await owner.query(`GRANT SELECT ON _prisma_migrations TO "${role}"`)
  t.same(await migrate(user), [], 'nothing is missing')
  await owner.query(`REVOKE ALL ON _prisma_migrations FROM "${role}"`)
})

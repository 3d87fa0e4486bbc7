// node scripts/migrate-new.mjs NAME     writes prisma/migrations/<time>_NAME/migration.sql from what schema.prisma has and the migrations lack
// node scripts/migrate-new.mjs --check  exits 1 when schema.prisma and the migrations disagree
// Works without internet: the engine is Prisma's WebAssembly build, its scratch databases are made on the embedded
// PostgreSQL or on the server of GATEHOUSE_TEST_DATABASE_URL, and dropped again.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { root } from './prepare.mjs'

const MIGRATIONS = join(root, 'prisma/migrations')
const LOCK_FILE = join(MIGRATIONS, 'migration_lock.toml')
const LOCK_TEXT = '# Prisma keeps the kind of database here; it belongs into version control.\nprovider = "postgresql"\n'
const CHAR_OID = 18 // "char" of PostgreSQL's own catalogue
const BPCHAR_OID = 1042

async function loadEngine() {
  const name = '@prisma/schema-engine-wasm/schema_engine_bg'
  const engine = await import(name)
  const bytes = readFileSync(join(fileURLToPath(import.meta.resolve(name)), '../schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engine })
  engine.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start?.()
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => console.error(message) }
  return engine
}

/** A server to make scratch databases on: `{ connection, stop }`. */
async function openServer() {
  const url = process.env.GATEHOUSE_TEST_DATABASE_URL
  if (url) return { connection: { connectionString: url }, stop: async () => {} }
  const { tsImport } = await import('tsx/esm/api')
  const { startEmbeddedPostgres } = await tsImport('../src/database/embedded-postgres.ts', import.meta.url)
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-migrate-'))
  const server = await startEmbeddedPostgres({ dataDir, log: () => {} })
  return {
    connection: server.connection,
    stop: async () => {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** PrismaPg with two gaps closed: it has no word for "char", and its executeScript cuts at every `;`, also inside `$$ bodies $$`. */
async function adapterFor(pool) {
  const query = pool.query.bind(pool)
  let charColumns = []
  pool.query = async (...args) => {
    const result = await query(...args)
    charColumns = (result.fields ?? []).flatMap((field, at) => (field.dataTypeID === CHAR_OID ? [at] : []))
    for (const at of charColumns) result.fields[at].dataTypeID = BPCHAR_OID
    return result
  }
  const adapter = await new PrismaPg(pool).connect()
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (statement) => {
    const result = await queryRaw(statement)
    for (const at of charColumns) result.columnTypes[at] = ColumnTypeEnum.Character
    return result
  }
  adapter.executeScript = async (sql) => void (await pool.query(sql))
  return adapter
}

function migrationsList() {
  const folders = existsSync(MIGRATIONS) ? readdirSync(MIGRATIONS, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort() : []
  return {
    baseDir: MIGRATIONS,
    shadowDbInitScript: '',
    lockfile: { path: 'migration_lock.toml', content: LOCK_TEXT },
    migrationDirectories: folders.map((path) => ({
      path,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: readFileSync(join(MIGRATIONS, path, 'migration.sql'), 'utf8') } },
    })),
  }
}

/** What has to be done to the migrations' result to reach schema.prisma: `{ exitCode: 0 | 2, stdout }`. */
async function difference(server) {
  const admin = new pg.Pool({ ...server.connection, max: 1 })
  admin.on('error', () => {})
  const scratch = []
  const connect = async () => {
    const name = `gatehouse_scratch_${randomBytes(6).toString('hex')}`
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`)
    const at = server.connection.connectionString ? { connectionString: Object.assign(new URL(server.connection.connectionString), { pathname: `/${name}` }).href } : { ...server.connection, database: name }
    const pool = new pg.Pool({ ...at, max: 1, idleTimeoutMillis: 0 })
    // dropped by force while it may still be saying goodbye; a query that fails says so itself
    pool.on('error', () => {})
    scratch.push({ name, pool })
    return adapterFor(pool)
  }
  try {
    const wasm = await loadEngine()
    const schema = { path: join(root, 'prisma/schema.prisma'), content: readFileSync(join(root, 'prisma/schema.prisma'), 'utf8') }
    const factory = bindMigrationAwareSqlAdapterFactory({ provider: 'postgres', adapterName: '@prisma/adapter-pg', connect, connectToShadowDb: connect })
    const engine = await wasm.SchemaEngine.new({ datamodels: [[schema.path, schema.content]] }, () => {}, factory)
    const filters = { externalTables: [], externalEnums: [] }
    const result = await engine.diff({ from: { tag: 'migrations', ...migrationsList() }, to: { tag: 'schemaDatamodel', files: [schema] }, script: true, exitCode: true, filters })
    engine.free()
    return result
  } finally {
    for (const { name, pool } of scratch) {
      await pool.end()
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    }
    await admin.end()
  }
}

const [argument] = process.argv.slice(2)
if (argument !== '--check' && !/^[a-z][a-z0-9_]{0,60}$/.test(argument ?? '')) {
  console.error('Usage: npm run migrate:new NAME   (lower-case letters, digits and _)')
  process.exit(1)
}
const server = await openServer()
try {
  const { exitCode, stdout } = await difference(server)
  if (exitCode === 0) console.log(argument === '--check' ? 'schema.prisma and the migrations agree' : 'Nothing to do: schema.prisma and the migrations agree')
  else if (argument === '--check') {
    console.log(`schema.prisma and the migrations disagree; npm run migrate:new NAME would write:\n\n${stdout}`)
    process.exitCode = 1
  } else {
    const name = `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${argument}`
    mkdirSync(join(MIGRATIONS, name), { recursive: true })
    writeFileSync(join(MIGRATIONS, name, 'migration.sql'), stdout)
    if (!existsSync(LOCK_FILE)) writeFileSync(LOCK_FILE, LOCK_TEXT)
    console.log(`Wrote prisma/migrations/${name}/migration.sql: read it, and add what Prisma does not know (triggers, checks, data)`)
  }
} finally {
  await server.stop()
}

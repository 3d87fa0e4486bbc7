// Who may import what. A failure names the file, what it imports, and what to do instead.
import t from 'tap'
import { type Import, none, type Source, sourcesBelow } from '../support/sources.js'

const FRAMEWORK = /^(fastify|fastify-plugin|@fastify\/.*)$/
const STORE_HANDLES = /^(pg|ioredis|@prisma\/.*|prisma)$/
const ROOTS = new Set(['src/app.ts', 'src/main.ts', 'src/admin/main.ts'])
// what main.ts says when the start fails: it knows the errors of every part, though not Fastify
const ENTRY = 'src/start-failure.ts'
// these stand below the services, which are built from what they decorate: keys to sign with, Redis, the checks of /readyz
const FOUNDATIONS = new Set(['plugins/services.ts', 'plugins/jwt.ts', 'plugins/redis.ts', 'plugins/health.ts'])

const isKernel = (file: string): boolean => file.startsWith('src/kernel/')
const isStore = (file: string): boolean => file.endsWith('-store.ts')
const isService = (file: string): boolean => file.endsWith('-service.ts')
const isDatabase = (file: string): boolean => file.startsWith('src/database/')
const isRedis = (file: string): boolean => file.startsWith('src/redis/')
/** A rule: a file of a feature that is neither store nor service; it gets what it needs as arguments. */
function isRule(file: string): boolean {
  return file.startsWith('src/') && !isStore(file) && !isService(file) && !isDatabase(file) && !isRedis(file) && !ROOTS.has(file) && file !== ENTRY
}

type Verdict = string | null

function kernel({ file, specifier }: Import): Verdict {
  if (file !== null && !isKernel(file)) return 'the kernel imports nothing but the kernel: pass it in as an argument'
  return STORE_HANDLES.test(specifier) ? 'the kernel knows no store' : null
}

function rule({ file, specifier, typeOnly }: Import): Verdict {
  if (typeOnly) return null
  if (STORE_HANDLES.test(specifier)) return 'a rule is given its store: move the query to a -store.ts file'
  if (file === null || isRule(file)) return null
  return 'a rule imports the kernel and other rules; of the rest only types: pass it in as an argument'
}

function store(from: string): (one: Import) => Verdict {
  const own = from.slice(0, from.lastIndexOf('/') + 1)
  return ({ file, typeOnly }) => {
    if (file === null || isKernel(file) || isDatabase(file)) return null
    if (isRedis(file)) return typeOnly ? null : 'a store is given its Redis handle: import its type only'
    if (isService(file)) return 'a store does not know services: turn it round'
    if (file.startsWith(own)) return isStore(file) && !typeOnly ? 'a store is given another store: import its type only' : null
    return isRule(file) && typeOnly ? null : 'a store imports the database, the kernel and the rules of its own feature'
  }
}

function service({ file, specifier, typeOnly }: Import): Verdict {
  if (STORE_HANDLES.test(specifier)) return 'a service is given its store: move the query there'
  if (file === null || isRule(file)) return null
  if (isDatabase(file)) return typeOnly && file === 'src/database/transaction.ts' ? null : 'of the database a service knows the types Tx and Transact alone'
  return typeOnly ? null : 'a service is given stores and other services: import their types only'
}

function plugin(from: string): (one: Import) => Verdict {
  return ({ file, typeOnly }) => {
    if (file === null || typeOnly) return null
    if (file.startsWith('plugins/')) return null
    if (!file.startsWith('src/') || ROOTS.has(file)) return 'a plugin imports src and other plugins'
    return !FOUNDATIONS.has(from) && (isService(file) || isStore(file)) ? 'services and stores are built in plugins/services.ts: use the decorator' : null
  }
}

const ROUTE_FILES = new Set(['src/kernel/errors.ts', 'src/kernel/permissions.ts', 'src/kernel/page.ts', 'src/kernel/etag.ts', 'plugins/route-kit.ts'])

/** Cookie sessions live in one scope only: the route that makes them registers the plugin there. */
function sessionRoute(one: Import): Verdict {
  return one.file === 'plugins/session.ts' ? null : route(one)
}

function route({ file, specifier, typeOnly }: Import): Verdict {
  if (file !== null) {
    if (ROUTE_FILES.has(file) || /^routes\/.*\/schema\.ts$/.test(file)) return null
    if (typeOnly && isRule(file)) return null
    return 'a route imports schema.ts, kernel errors and pages, and plugins/route-kit.ts; behaviour comes from decorators'
  }
  if (specifier === '@sinclair/typebox') return null
  return typeOnly && FRAMEWORK.test(specifier) ? null : 'a route imports TypeBox and the types of Fastify, no other package'
}

/** The law for a file of src, plugins or routes. */
function lawFor(path: string): (one: Import) => Verdict {
  if (path === 'routes/auth/session/index.ts') return sessionRoute
  if (path.startsWith('routes/')) return route
  if (path.startsWith('plugins/')) return plugin(path)
  if (isKernel(path)) return kernel
  if (isStore(path)) return store(path)
  if (isService(path)) return service
  if (isRule(path)) return rule
  return () => null // the database and Redis folders hold the handles themselves
}

/** What holds for all of src. */
function outside({ file, specifier }: Import): Verdict {
  if (FRAMEWORK.test(specifier)) return 'only app.ts and main.ts know Fastify'
  return file !== null && !file.startsWith('src/') ? 'src imports nothing outside src' : null
}

function breaches({ path, imports }: Source): string[] {
  if (ROOTS.has(path)) return []
  const law = lawFor(path)
  return imports.flatMap((one) => {
    const verdict = (path.startsWith('src/') ? outside(one) : null) ?? law(one)
    return verdict === null ? [] : [`${path} imports ${one.specifier}: ${verdict}`]
  })
}

t.test('every import keeps the rules of the house', async (t) => {
  const sources = sourcesBelow('src', 'plugins', 'routes')
  t.ok(sources.length > 30, 'the sources were found')
  none(t, sources.flatMap(breaches), 'no forbidden import')
})

t.test('the rules refuse what they are there to refuse', async (t) => {
  const bad: [string, string, boolean][] = [
    ['src/kernel/page.ts', '../keys/key-format.js', true],
    ['src/kernel/page.ts', 'pg', true],
    ['src/keys/key-format.ts', './key-store.js', false],
    ['src/keys/key-format.ts', 'pg', false],
    ['src/keys/key-format.ts', 'fastify', true],
    ['src/keys/key-store.ts', '../accounts/account-store.js', true],
    ['src/keys/key-store.ts', './key-service.js', true],
    ['src/keys/key-store.ts', '../redis/connect.js', false],
    ['src/keys/key-service.ts', './key-store.js', false],
    ['src/keys/key-service.ts', '../database/connect.js', true],
    ['src/keys/key-service.ts', '../accounts/account-service.js', false],
    ['src/keys/key-service.ts', '../../plugins/services.js', true],
    ['plugins/csrf.ts', '../src/keys/key-service.js', false],
    ['plugins/csrf.ts', '../src/app.js', false],
    ['routes/keys/index.ts', '../../src/keys/key-service.js', true],
    ['routes/keys/index.ts', '../../src/keys/key-format.js', false],
    ['routes/keys/index.ts', 'fastify', false],
    ['routes/keys/index.ts', 'pg', true],
  ]
  for (const [path, specifier, typeOnly] of bad) {
    const file = specifier.startsWith('.') ? new URL(specifier, `file:///${path}`).pathname.slice(1).replace(/\.js$/, '.ts') : null
    const found = breaches({ path, imports: [{ specifier, file, typeOnly }] } as unknown as Source)
    t.equal(found.length, 1, `${path} may not import ${specifier}`)
  }
})

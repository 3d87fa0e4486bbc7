// Who may import what, file by file. A failure names the file, what it imports, and what to do instead. Folders: house.test.ts.
import t from 'tap'
import { folderOf, FOUNDATIONS } from '../support/house.js'
import { type Import, none, type Source, sourcesBelow } from '../support/sources.js'

const FRAMEWORK = /^(fastify|fastify-plugin|@fastify\/.*)$/
const STORE_HANDLES = /^(pg|ioredis|@prisma\/.*|prisma)$/
const ROOTS = new Set(['src/app.ts', 'src/node.ts', 'src/main.ts', 'src/admin/main.ts'])
// what main.ts says when the start fails: it knows the errors of every part, though not Fastify
const ENTRY = 'src/start-failure.ts'
// a function that builds, or changes rows: for the plugin of its feature
const BUILDER = /^(create|adopt)[A-Z]/

const isKernel = (file: string): boolean => file.startsWith('src/kernel/')
const isStore = (file: string): boolean => file.endsWith('-store.ts')
const isService = (file: string): boolean => file.endsWith('-service.ts')
const isDatabase = (file: string): boolean => file.startsWith('src/database/')
const isSharedStore = (file: string): boolean => file.startsWith('src/shared-store/')
/** Puts a feature together, and is its only door. */
const isIndex = (file: string): boolean => /^src\/[^/]+\/index\.ts$/.test(file) || file === 'src/limits/assemble.ts'
/** A rule: a file of a feature that is neither store nor service; it gets what it needs as arguments. */
function isRule(file: string): boolean {
  return file.startsWith('src/') && !isStore(file) && !isService(file) && !isDatabase(file) && !isSharedStore(file) && !isIndex(file) && !ROOTS.has(file) && file !== ENTRY
}

type Verdict = string | null

function kernel({ file, specifier }: Import): Verdict {
  if (file !== null && !isKernel(file)) return 'the kernel imports nothing but the kernel: pass it in as an argument'
  return STORE_HANDLES.test(specifier) ? 'the kernel knows no store' : null
}

/** The words and rules of another feature, as its door shows them. */
const isDoor = ({ file, names }: Import): boolean => file !== null && isIndex(file) && !names.some((name) => BUILDER.test(name))

function rule(one: Import): Verdict {
  const { file, specifier, typeOnly } = one
  if (typeOnly || isDoor(one)) return null
  if (STORE_HANDLES.test(specifier)) return 'a rule is given its store: move the query to a -store.ts file'
  if (file === null || isRule(file)) return null
  return 'a rule imports the kernel and other rules; of the rest only types: pass it in as an argument'
}

function store(from: string): (one: Import) => Verdict {
  const own = from.split('/').slice(0, 2).join('/') + '/'
  return (one) => {
    const { file, typeOnly } = one
    if (file === null || isKernel(file) || isDatabase(file)) return null
    if (isIndex(file)) return typeOnly && isDoor(one) ? null : 'a store takes the types of other features alone'
    if (isSharedStore(file)) return typeOnly ? null : 'a store is given its Redis handle: import its type only'
    if (isService(file)) return 'a store does not know services: turn it round'
    if (file.startsWith(own)) return isStore(file) && !typeOnly ? 'a store is given another store: import its type only' : null
    return isRule(file) && typeOnly ? null : 'a store imports the database, the kernel and the rules of its own feature'
  }
}

function service(one: Import): Verdict {
  const { file, specifier, typeOnly } = one
  if (isDoor(one)) return null
  if (STORE_HANDLES.test(specifier)) return 'a service is given its store: move the query there'
  if (file === null || isRule(file)) return null
  if (isDatabase(file)) return typeOnly && file === 'src/database/transaction.ts' ? null : 'of the database a service knows the types Tx and Transact alone'
  return typeOnly ? null : 'a service is given stores and other services: import their types only'
}

function plugin({ file, typeOnly }: Import): Verdict {
  if (file === null || file.startsWith('plugins/')) return null
  if (!file.startsWith('src/') || ROOTS.has(file)) return 'a plugin imports src and other plugins'
  const folder = folderOf(file)
  if (folder !== null && !FOUNDATIONS.has(folder) && !isIndex(file)) return `a plugin knows a feature by its index.ts: let src/${folder}/index.ts export it`
  return typeOnly || !isStore(file) ? null : 'stores are built in the index.ts of their feature'
}

const ROUTE_FILES = new Set(['src/kernel/errors.ts', 'src/kernel/permissions.ts', 'src/kernel/page.ts', 'src/kernel/etag.ts', 'plugins/http/route-kit.ts'])

const SESSION_ROUTES = new Set(['routes/auth/session/index.ts', 'routes/auth/session/magic-link/index.ts', 'routes/auth/providers/index.ts', 'routes/auth/stepup/index.ts'])

/** Cookie sessions live in few scopes: a route that makes them registers the plugin there. */
function sessionRoute(one: Import): Verdict {
  return one.file === 'plugins/security/session.ts' ? null : route(one)
}

function route({ file, specifier, typeOnly }: Import): Verdict {
  if (file !== null) {
    if (ROUTE_FILES.has(file) || /^routes\/.*\/schema\.ts$/.test(file)) return null
    if (typeOnly && (isRule(file) || isIndex(file))) return null
    return 'a route imports schema.ts, kernel errors and pages, and plugins/http/route-kit.ts; behaviour comes from decorators'
  }
  if (specifier === '@sinclair/typebox') return null
  return typeOnly && FRAMEWORK.test(specifier) ? null : 'a route imports TypeBox and the types of Fastify, no other package'
}

/** Pages share how forms are described, and how what is wrong is said. */
function pageRoute(one: Import): Verdict {
  return one.file === 'plugins/http/page-kit.ts' || one.file === 'plugins/http/passkey-fields.ts' ? null : route(one)
}

/** The law for a file of src, plugins or routes. */
function lawFor(path: string): (one: Import) => Verdict {
  if (SESSION_ROUTES.has(path)) return sessionRoute
  if (path.startsWith('routes/ui/')) return pageRoute
  if (path.startsWith('routes/')) return route
  if (path.startsWith('plugins/')) return plugin
  if (isKernel(path)) return kernel
  if (isIndex(path)) return () => null
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
    ['src/keys/key-store.ts', '../shared-store/connect.js', false],
    ['src/keys/key-service.ts', './key-store.js', false],
    ['src/keys/key-service.ts', '../database/connect.js', true],
    ['src/keys/key-service.ts', '../accounts/account-service.js', false],
    ['src/keys/key-service.ts', '../../plugins/features/services.js', true],
    ['plugins/security/csrf.ts', '../../src/keys/key-service.js', true],
    ['plugins/security/csrf.ts', '../../src/keys/key-format.js', false],
    ['plugins/security/csrf.ts', '../../src/app.js', false],
    ['routes/keys/index.ts', '../../src/keys/key-service.js', true],
    ['routes/keys/index.ts', '../../src/keys/key-format.js', false],
    ['routes/keys/index.ts', 'fastify', false],
    ['routes/keys/index.ts', 'pg', true],
  ]
  for (const [path, specifier, typeOnly] of bad) {
    const file = specifier.startsWith('.') ? new URL(specifier, `file:///${path}`).pathname.slice(1).replace(/\.js$/, '.ts') : null
    const found = breaches({ path, imports: [{ specifier, file, typeOnly, names: [] }] } as unknown as Source)
    t.equal(found.length, 1, `${path} may not import ${specifier}`)
  }
})

// Brings the folder to a state that can run: packages from the lock file, the generated client, the compiled program.
// Each step does nothing while what it was made from is unchanged (a hash kept beside the result). Plain Node and no
// imports from node_modules: it runs before there is one.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')

const at = (...parts) => join(root, ...parts)
const CLIENT_STAMP = at('src/database/generated', '.gatehouse-generate')
const DIST = at('dist')
const BUILDING = at('.build')
const BUILD_STAMP = join(DIST, '.gatehouse-build')
const PAGES = join(DIST, 'ui')
const PAGES_STAMP = join(PAGES, '.gatehouse-pages')

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(at(file))).update('\0')
  return hash.digest('hex')
}

function holds(stamp, hash) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
}

function sourcesBelow(folder, wanted = /\.(ts|json)$/) {
  if (!existsSync(at(folder))) return []
  return readdirSync(at(folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
const TELL_EVERY_MS = 10_000
// a build names every source
const SHOWN_ARGUMENTS = 6
const KILL_AFTER_MS = 3_000

/** The exit status after a signal that ended the preparation; npm start, which is stopped by one, has another. */
export const afterSignal = { status: (signal) => 128 + SIGNALS[signal] }

/**
 * Runs a program to its end; its words are shown only when it fails, and then this process ends with its status. It is the head of a
 * process group, so that a signal stops it and all it has started, and nothing works on behind a start that was called off.
 */
async function run(what, command, args, { environment = {}, cwd = root, isLong = false } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...environment }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  let stoppedBy = null
  const kill = (signal) => {
    try {
      if (child.pid) process.kill(-child.pid, signal)
    } catch {
      // the group has ended
    }
  }
  const stop = (signal) => {
    stoppedBy ??= signal
    kill('SIGTERM')
    setTimeout(() => kill('SIGKILL'), KILL_AFTER_MS).unref()
  }
  for (const signal of Object.keys(SIGNALS)) process.on(signal, stop)
  const from = performance.now()
  const telling = isLong ? setInterval(() => console.error(`${what}: ${Math.round((performance.now() - from) / 1_000)} s`), TELL_EVERY_MS) : null
  const { status, error } = await new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: null, error }))
    child.on('close', (status) => resolve({ status }))
  })
  clearInterval(telling)
  for (const signal of Object.keys(SIGNALS)) process.off(signal, stop)
  if (stoppedBy !== null) {
    kill('SIGKILL') // whoever of the group has not listened
    process.exit(afterSignal.status(stoppedBy))
  }
  if (status === 0) return
  const asked = [command, ...args.slice(0, SHOWN_ARGUMENTS), ...(args.length > SHOWN_ARGUMENTS ? ['...'] : [])].join(' ')
  console.error(`${what} failed: ${error?.message ?? `${asked} ended with ${status}`}\n${said}`.trimEnd())
  process.exit(status || 1)
}

function packagesIn(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : {}
}

/** What is there: npm writes down what it installed, as the last thing it does. */
function installedIn(folder) {
  return packagesIn(join(folder, 'node_modules', '.package-lock.json'))
}

/** Is everything there that the folder's lock file says? */
function isInstalled(folder, development) {
  const installed = installedIn(folder)
  // optional packages are left out where they do not fit the platform
  return Object.entries(packagesIn(join(folder, 'package-lock.json')))
    .every(([path, { version, optional, dev }]) => path === '' || optional || (dev && !development) || installed[path]?.version === version)
}

/**
 * Installs exactly what the folder's package-lock.json says, unless that is there already. With `development: false` the packages that
 * only tests, benchmarks and checks need are not asked for: they take twice the time and half the room. Where some of them are there
 * they are kept up with the rest: whoever works on the program does not lose them to a start.
 */
export async function ensureInstalled(folder = root, { development = true } = {}) {
  if (isInstalled(folder, development)) return
  const what = `Installing packages${folder === root ? '' : ` in ${relative(root, folder)}`}`
  console.error(`${what} (once)`)
  const all = development || Object.values(installedIn(folder)).some(({ dev }) => dev)
  await run(what, 'npm', ['ci', `--${all ? 'include' : 'omit'}=dev`, '--include=optional', '--loglevel=error', '--no-audit', '--no-fund'], { cwd: folder, isLong: true })
}

/** Generates the Prisma client when the schema or Prisma itself has changed. */
export async function ensureGenerated() {
  const hash = hashOf(['prisma/schema.prisma', 'node_modules/prisma/package.json'])
  if (holds(CLIENT_STAMP, hash)) return
  // /bin/false: `generate` needs no schema engine, and Prisma would otherwise fetch one from the internet
  await run('Generating the database client', process.execPath, [at('node_modules/prisma/build/index.js'), 'generate', '--schema', at('prisma/schema.prisma')],
    { environment: { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/false', PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' } })
  writeFileSync(CLIENT_STAMP, hash)
}

/** Puts the hosted pages together when one of their sources has changed: half a second. */
export async function ensurePages() {
  const sources = [...sourcesBelow('ui', /\.(tsx?|css|json|svg)$/), 'scripts/build-ui.mjs', ...['esbuild', 'preact', 'intl-messageformat', 'qrcode-generator', '@simplewebauthn/browser'].map((name) => join('node_modules', name, 'package.json'))]
  const hash = hashOf(sources)
  if (holds(PAGES_STAMP, hash)) return
  await run('Building the pages', process.execPath, [at('scripts/build-ui.mjs'), PAGES])
  writeFileSync(PAGES_STAMP, hash)
}

const SWAPS = 10

/** Puts a folder, with what tells that it is whole, in the place of dist. Whoever does the same at that moment has made the same: one of the two is left. */
function swapIn(next) {
  const old = `${next}-old`
  for (let time = 1; ; time += 1) {
    try {
      renameSync(DIST, old)
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
    try {
      renameSync(next, DIST)
      return rmSync(old, { recursive: true, force: true })
    } catch (error) {
      if (time === SWAPS || (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST')) throw error
      rmSync(old, { recursive: true, force: true })
    }
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM' // somebody else's
  }
}

/** Of builds that were stopped: their folders are named by a process that is no more. What else lies there is not ours. */
function removeLeftovers() {
  for (const name of existsSync(BUILDING) ? readdirSync(BUILDING) : []) {
    const pid = /^dist-(\d+)(-old)?$/.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(BUILDING, name), { recursive: true, force: true })
  }
}

/**
 * Compiles when a source has changed, the pages included: into a folder of its own, which then takes the place of what was compiled before. So a build that is stopped, or one of two at a
 * time, leaves no half program, and autoload finds no routes of deleted files. Types are not checked (npm run typecheck does): that would take ten seconds and every package's
 * types, which an installation without them lacks.
 */
export async function ensureBuilt() {
  await ensurePages()
  // bench/peers is a package of its own, and is not compiled; of the tests only the servers that fault runs start as well
  const shared = ['pgbouncer', 'redis', 'redis-group'].map((name) => join('test', 'support', `${name}.ts`)).filter((path) => existsSync(at(path)))
  const sources = [...['src', 'plugins', 'routes', 'bench', 'faults'].flatMap((folder) => sourcesBelow(folder)).filter((path) => !path.startsWith(join('bench', 'peers'))), ...shared]
  const hash = hashOf(['package.json', 'scripts/transpile.mjs', 'node_modules/typescript/package.json', ...sources])
  if (holds(BUILD_STAMP, hash)) return
  removeLeftovers()
  const next = join(BUILDING, `dist-${process.pid}`)
  await run('Building', process.execPath, [at('scripts/transpile.mjs'), next, DIST, ...sources.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))])
  cpSync(PAGES, join(next, 'ui'), { recursive: true })
  writeFileSync(join(next, '.gatehouse-build'), hash)
  swapIn(next)
}

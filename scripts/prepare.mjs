// Brings the folder to a state that can run: packages from the lock file, the generated client, the compiled program.
// Each step does nothing while what it was made from is unchanged (a hash kept beside the result). Plain Node and no
// imports from node_modules: it runs before there is one.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')

const at = (...parts) => join(root, ...parts)
const CLIENT_STAMP = at('src/database/generated', '.gatehouse-generate')
const BUILD_STAMP = at('dist', '.gatehouse-build')

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(at(file))).update('\0')
  return hash.digest('hex')
}

function holds(stamp, hash) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
}

function sourcesBelow(folder) {
  if (!existsSync(at(folder))) return []
  return readdirSync(at(folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
const TELL_EVERY_MS = 10_000
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
  console.error(`${what} failed: ${error?.message ?? `${command} ${args.join(' ')} ended with ${status}`}\n${said}`.trimEnd())
  process.exit(status || 1)
}

/** Does the folder's node_modules hold what its lock file says? npm writes down what it installed, as the last thing it does. */
function isInstalled(folder, development) {
  const written = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(written)) return false
  const installed = JSON.parse(readFileSync(written, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
  // optional packages are left out where they do not fit the platform
  return Object.entries(locked).every(([path, { version, optional, dev }]) => path === '' || optional || (dev && !development) || installed[path]?.version === version)
}

/** Has whoever installs said that development packages are not wanted, as npm understands it? */
function omitsDevelopment({ NODE_ENV, npm_config_omit: omit = '' } = process.env) {
  return NODE_ENV === 'production' || /\bdev\b/.test(omit)
}

/**
 * Installs exactly what the folder's package-lock.json says, unless that is there already. With `development: false` the packages that
 * only tests, benchmarks and checks need may be missing (`npm ci --omit=dev`): nothing is installed for their sake.
 */
export async function ensureInstalled(folder = root, { development = true } = {}) {
  if (isInstalled(folder, development)) return
  const what = `Installing packages${folder === root ? '' : ` in ${relative(root, folder)}`}`
  console.error(`${what} (once)`)
  const dev = !development && omitsDevelopment() ? '--omit=dev' : '--include=dev'
  await run(what, 'npm', ['ci', dev, '--include=optional', '--loglevel=error'], { cwd: folder, isLong: true })
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

/**
 * Compiles when a source has changed. dist is emptied first: autoload would find the routes of deleted files. Types are not checked
 * (npm run typecheck does): that would take ten seconds and every package's types, which an installation without them lacks.
 */
export async function ensureBuilt() {
  // bench/peers is a package of its own, and is not compiled
  const sources = ['src', 'plugins', 'routes', 'bench', 'faults'].flatMap(sourcesBelow).filter((path) => !path.startsWith(join('bench', 'peers')))
  const hash = hashOf(['package.json', 'scripts/transpile.mjs', 'node_modules/typescript/package.json', ...sources])
  if (holds(BUILD_STAMP, hash)) return
  rmSync(at('dist'), { recursive: true, force: true })
  await run('Building', process.execPath, [at('scripts/transpile.mjs'), at('dist'), ...sources.filter((path) => path.endsWith('.ts'))])
  writeFileSync(BUILD_STAMP, hash)
}

// Brings the folder to a state that can run: packages from the lock file, the generated client, the compiled program.
// Each step does nothing while what it was made from is unchanged (a hash kept beside the result). Plain Node and no
// imports from node_modules: it runs before there is one.
import { spawnSync } from 'node:child_process'
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

/** Runs a program to its end; its words are shown only when it fails, and then this process ends with its status. */
function run(what, command, args, environment = {}, cwd = root) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, ...environment }, maxBuffer: 64 << 20 })
  if (status === 0) return
  console.error(`${what} failed: ${error?.message ?? `${command} ${args.join(' ')} ended with ${status}`}\n${stdout ?? ''}${stderr ?? ''}`.trimEnd())
  process.exit(status || 1)
}

/** Does the folder's node_modules hold what its lock file says? npm writes down what it installed, as the last thing it does. */
function isInstalled(folder) {
  const written = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(written)) return false
  const installed = JSON.parse(readFileSync(written, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
  // optional packages are left out where they do not fit the platform
  return Object.entries(locked).every(([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version)
}

/** Installs exactly what the folder's package-lock.json says, development packages too (they build the program), unless that is there already. */
export function ensureInstalled(folder = root) {
  if (isInstalled(folder)) return
  console.error(`Installing packages (once)${folder === root ? '' : ` in ${relative(root, folder)}`}`)
  run('Installing packages', 'npm', ['ci', '--include=dev', '--include=optional', '--loglevel=error'], {}, folder)
}

/** Generates the Prisma client when the schema or Prisma itself has changed. */
export function ensureGenerated() {
  const hash = hashOf(['prisma/schema.prisma', 'node_modules/prisma/package.json'])
  if (holds(CLIENT_STAMP, hash)) return
  // /bin/false: `generate` needs no schema engine, and Prisma would otherwise fetch one from the internet
  run('Generating the database client', process.execPath, [at('node_modules/prisma/build/index.js'), 'generate', '--schema', at('prisma/schema.prisma')],
    { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/false', PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' })
  writeFileSync(CLIENT_STAMP, hash)
}

/** Compiles when a source has changed. dist is emptied first: autoload would find the routes of deleted files. */
export function ensureBuilt() {
  // bench/peers is a package of its own, and is not compiled
  const sources = ['src', 'plugins', 'routes', 'bench', 'faults'].flatMap(sourcesBelow).filter((path) => !path.startsWith(join('bench', 'peers')))
  const hash = hashOf(['package.json', 'tsconfig.json', 'tsconfig.build.json', 'node_modules/typescript/package.json', ...sources])
  if (holds(BUILD_STAMP, hash)) return
  rmSync(at('dist'), { recursive: true, force: true })
  run('Building', process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.build.json')])
  writeFileSync(BUILD_STAMP, hash)
}

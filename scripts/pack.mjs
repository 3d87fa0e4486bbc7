// npm run pack [FOLDER]: the built program as a package of its own (gatehouse-VERSION.tgz, here; FOLDER is where it is laid out first), which needs what running takes and nothing that builds:
// no Prisma command line, no compiler. Its npm-shrinkwrap.json is our lock file, cut down to that.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt, ensureGenerated, ensureInstalled, root } from './prepare.mjs'

// they make the client, the program and its pages, and are not asked again
const BUILDING = new Set(['prisma', 'typescript', 'esbuild', 'preact', 'preact-render-to-string', '@fontsource-variable/instrument-sans', '@fontsource-variable/newsreader', '@simplewebauthn/browser'])
const COPIED = ['dist/src', 'dist/plugins', 'dist/routes', 'dist/ui', 'prisma/migrations', 'scripts/admin.mjs', 'scripts/prepare.mjs', 'scripts/setup-token.mjs', 'LICENSE', 'README.md', 'CHANGELOG.md', 'docs']

const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'))
const without = (packages = {}) => Object.fromEntries(Object.entries(packages).filter(([name]) => !BUILDING.has(name)))

/** The path in `packages` that `name` means to the package at `from`: the nearest node_modules upwards, as Node looks for it. */
function pathOf(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (packages[path]) return path
    if (at === '') return null
  }
}

/** What the roots of a lock file need, directly and indirectly: its `packages` cut down to that. Peers that are optional are not needed. */
export function neededOf(packages, roots) {
  const needed = new Set()
  const waiting = roots.map((name) => pathOf(packages, '', name))
  for (const path of waiting) {
    if (path === null || needed.has(path)) continue
    needed.add(path)
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = packages[path]
    const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional)
    for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies), ...peers]) if (!BUILDING.has(name)) waiting.push(pathOf(packages, path, name))
  }
  return Object.fromEntries(Object.entries(packages).filter(([path]) => needed.has(path)))
}

/** Nothing, or what an earlier run has laid out: anything else is somebody's, and would be deleted. */
function mayEmpty(folder) {
  return !existsSync(folder) || readdirSync(folder).length === 0 || existsSync(join(folder, 'npm-shrinkwrap.json'))
}

/** Lays the package out in `folder`, which is emptied first. Throws where something else lies there. */
export function stage(folder) {
  if (!mayEmpty(folder)) throw new Error(`${folder} is not empty, and not of an earlier run: name another folder to lay the package out in`)
  const { name, version, license, description, type, engines, dependencies, optionalDependencies, scripts: { start } } = read('package.json')
  const lock = read('package-lock.json')
  const own = { name, version, license, description, type, engines, dependencies: without(dependencies), optionalDependencies: without(optionalDependencies) }
  const packages = neededOf(lock.packages, [...Object.keys(own.dependencies), ...Object.keys(own.optionalDependencies)])
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const path of COPIED) cpSync(join(root, path), join(folder, path), { recursive: true })
  const scripts = { start: start.replace('scripts/start.mjs', '--enable-source-maps dist/src/main.js'), admin: 'node scripts/admin.mjs', 'setup:token': 'node scripts/setup-token.mjs' }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...own, scripts, files: [...COPIED, 'npm-shrinkwrap.json'] }, null, 2)}\n`)
  writeFileSync(join(folder, 'npm-shrinkwrap.json'), `${JSON.stringify({ name, version, lockfileVersion: lock.lockfileVersion, requires: true, packages: { '': own, ...packages } }, null, 2)}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await ensureInstalled()
  await ensureGenerated()
  await ensureBuilt()
  const folder = resolve(process.argv[2] ?? join(root, '.build/package'))
  try {
    stage(folder)
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
  const made = execFileSync('npm', ['pack', '--silent', '--pack-destination', process.cwd()], { cwd: folder, encoding: 'utf8' }).trim()
  console.log(`${made}: unpack it, then npm ci --omit=dev && npm start`)
}

// node scripts/complete-lock.mjs [--integrity] [FOLDER], after every `npm install` that changed the folder's lock file. A registry that carries only some
// platforms' packages makes npm leave the others out of package-lock.json, and then `npm ci` refuses the file everywhere.
// The missing entries are written from what the packages themselves say: a name, an exact version, and for which platform.
// --integrity also asks npm's registry for the checksums that are missing: one question for each; what it does not carry stays without.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { root } from './prepare.mjs'

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

function libcOf(parts) {
  if (parts.some((part) => part.startsWith('musl'))) return { libc: ['musl'] }
  return parts.some((part) => part.startsWith('gnu')) ? { libc: ['glibc'] } : {}
}

/** The lock file's entry of a platform package, or null when its name does not say for which platform it is. */
function entryOf(name, version, { dev, license, engines }) {
  const parts = name.split('/').at(-1).split('-')
  const os = parts.find((part) => SYSTEMS.includes(part))
  const cpu = parts.find((part) => PROCESSORS.includes(part))
  if (!os || !cpu || !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) return null
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...libcOf(parts), ...(license ? { license } : {}), optional: true, os: [os], ...(engines ? { engines } : {}) }
}

/** The checksum of a package by the registry, or null. */
function integrityOf(name, version) {
  const { stdout } = spawnSync('npm', ['view', `${name}@${version}`, 'dist.integrity'], { encoding: 'utf8' })
  return /^sha512-\S+$/.exec(stdout.trim())?.[0] ?? null
}

const args = process.argv.slice(2)
const file = resolve(root, args.find((arg) => !arg.startsWith('--')) ?? '', 'package-lock.json')
const before = readFileSync(file, 'utf8')
const lock = JSON.parse(before)
const { '': top, ...packages } = lock.packages
for (const [path, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (packages[`node_modules/${name}`] || packages[`${path}/node_modules/${name}`]) continue
    const missing = entryOf(name, version, entry)
    if (missing) packages[`node_modules/${name}`] = missing
    else console.error(`${name}@${version}, optional in ${path}, is in no lock file and cannot be written without its registry`)
  }
}
if (args.includes('--integrity')) {
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.integrity || entry.link) continue
    const integrity = integrityOf(path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), entry.version)
    if (integrity) entry.integrity = integrity
    else console.error(`${path}: the registry has no checksum`)
  }
}
const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
lock.packages = { '': top, ...Object.fromEntries(sorted) }
const after = `${JSON.stringify(lock, null, 2)}\n`
if (after !== before) writeFileSync(file, after)
console.log(after === before ? 'package-lock.json is complete' : 'package-lock.json was completed')

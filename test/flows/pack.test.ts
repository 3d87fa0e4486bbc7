// The built program as a package: it runs with the packages that running takes, which are few.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { emptyFolder, launchAt } from '../support/program.js'
import { ROOT } from '../support/sources.js'

const MOST_MB = 250

interface Shrinkwrap {
  packages: Record<string, { optional?: boolean }>
}

/** As `npm ci --omit=dev` would lay it out, from what is installed here: hard links, or copies where those cannot be. */
function install(folder: string, packages: readonly string[]): void {
  for (const path of packages) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    const copy = (flags: string): number | null => spawnSync('cp', [flags, join(ROOT, path), join(folder, path)]).status
    if (copy('-al') === 0) continue
    rmSync(join(folder, path), { recursive: true, force: true })
    if (copy('-a') !== 0) throw new Error(`${path} could not be copied`)
  }
}

t.test('npm run pack: it starts with production packages alone, and they are at most 250 MB', async (t) => {
  const folder = emptyFolder(t, tmpdir()) // on a disk, as what is installed here, so that hard links will do
  execFileSync(process.execPath, [join(ROOT, 'scripts/pack.mjs'), join(folder, 'staged')], { cwd: folder })
  execFileSync('tar', ['xzf', 'gatehouse-0.1.0.tgz'], { cwd: folder })
  const unpacked = join(folder, 'package')
  const { packages } = JSON.parse(readFileSync(join(unpacked, 'npm-shrinkwrap.json'), 'utf8')) as Shrinkwrap
  t.notOk(packages['node_modules/prisma'] ?? packages['node_modules/typescript'] ?? packages['node_modules/tap'], 'nothing that builds or tests')
  const outer = Object.keys(packages).filter((path) => path.split('node_modules/').length === 2)
  // packages of other platforms are not here
  const here = outer.filter((path) => existsSync(join(ROOT, path)))
  for (const path of outer) t.ok(here.includes(path) || packages[path]?.optional, path)
  install(unpacked, here)
  const size = Number(execFileSync('du', ['-sm', join(unpacked, 'node_modules')], { encoding: 'utf8' }).split('\t')[0])
  t.ok(size <= MOST_MB, `${size} MB`)

  const program = launchAt(t, join(unpacked, 'dist/src/main.js'), folder)
  const origin = await program.listening
  t.equal((await fetch(`${origin}/readyz`)).status, 200)
  t.equal((await fetch(`${origin}/ui/sign-in`)).status, 200, 'with its pages')
  program.child.kill('SIGTERM')
  t.match(await program.exit, { code: 0 })
})

t.test('npm run pack empties no folder that holds anything else', async (t) => {
  const folder = emptyFolder(t)
  writeFileSync(join(folder, 'precious'), 'x')
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/pack.mjs'), '.'], { cwd: folder, encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /is not empty, and not of an earlier run: name another folder/)
  t.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'x')
})

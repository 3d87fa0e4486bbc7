// npm start before there is a program: the installation it starts, what it asks for, and what a signal leaves of it.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { emptyFolder, isAlive } from '../support/program.js'

const SCRIPTS = join(import.meta.dirname, '../../scripts')
const LOCKED = {
  '': {}, 'node_modules/needed': { version: '1.0.0' }, 'node_modules/tests-only': { version: '2.0.0', dev: true }, 'node_modules/other-platform': { version: '3.0.0', optional: true },
}

/** A folder to start from, with an npm in its PATH that notes what it is asked and then does this. */
function folderWith(t: Test, npm: string, installed?: object): { folder: string; run: (script: string, env?: NodeJS.ProcessEnv) => ChildProcess; asked: () => string } {
  const folder = emptyFolder(t)
  mkdirSync(join(folder, 'bin'))
  mkdirSync(join(folder, 'node_modules'))
  cpSync(SCRIPTS, join(folder, 'scripts'), { recursive: true })
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: LOCKED }))
  if (installed) writeFileSync(join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }))
  writeFileSync(join(folder, 'bin/npm'), `#!/bin/sh\necho "$*" >> ${folder}/asked\n${npm}\n`)
  chmodSync(join(folder, 'bin/npm'), 0o755)
  return {
    folder,
    run(script, env = {}) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, env: { PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
      t.teardown(() => child.kill('SIGKILL'))
      return child
    },
    asked: () => (existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8') : ''),
  }
}

const ensure = (options: object): string => `const { ensureInstalled } = await import('./scripts/prepare.mjs'); await ensureInstalled(undefined, ${JSON.stringify(options)})`

async function codeOf(child: ChildProcess): Promise<unknown> {
  const [code] = (await once(child, 'close')) as unknown[]
  return code
}

t.test('after npm ci --omit=dev nothing is installed for the start; tests ask for what they need', async (t) => {
  const { run, asked } = folderWith(t, 'exit 0', { 'node_modules/needed': { version: '1.0.0' } })
  t.equal(await codeOf(run(ensure({ development: false }))), 0)
  t.equal(asked(), '')
  t.equal(await codeOf(run(ensure({}))), 0)
  t.match(asked(), /^ci --include=dev --include=optional /)
})

t.test('a start installs what running takes, and keeps development packages that are there', async (t) => {
  const old = { 'node_modules/needed': { version: '0.9.0' } }
  for (const [installed, flag] of [[undefined, '--omit=dev'], [old, '--omit=dev'], [{ ...old, 'node_modules/tests-only': { version: '1.9.0', dev: true } }, '--include=dev']] as const) {
    const { run, asked } = folderWith(t, 'exit 0', installed)
    t.equal(await codeOf(run(ensure({ development: false }))), 0)
    t.match(asked(), `ci ${flag} --include=optional `)
  }
})

t.test('a failing installation ends the start with its words and its status', async (t) => {
  const { run } = folderWith(t, 'echo no room left >&2; exit 7')
  const child = run("await import('./scripts/start.mjs')")
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  t.equal(await codeOf(child), 7)
  t.match(said, /^Installing packages \(once\)\nInstalling packages failed: npm ci .* ended with 7\nno room left\n$/)
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${signal} during the installation ends npm and all it started, and then the start, with 0`, async (t) => {
    const { folder, run } = folderWith(t, 'trap "" INT TERM HUP; sleep 300 & echo $! > pid.new; mv pid.new pid; wait; sleep 300')
    const child = run("await import('./scripts/start.mjs')")
    while (!existsSync(join(folder, 'pid'))) await delay(5)
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    t.ok(isAlive(pid))
    child.kill(signal)
    t.equal(await codeOf(child), 0)
    while (isAlive(pid)) await delay(5)
  })
}

t.test('a build takes the place of the one before whole, also when there are two at a time; it clears away what stopped builds have left, and nothing else', async (t) => {
  const folder = emptyFolder(t)
  for (const name of ['scripts', 'ui', 'package.json']) cpSync(join(SCRIPTS, '..', name), join(folder, name), { recursive: true })
  symlinkSync(join(SCRIPTS, '../node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'src'))
  const gone = spawn('true')
  await once(gone, 'close')
  const kept = ['mutation', 'package', `dist-${process.pid}`]
  const left = [`dist-${gone.pid}`, `dist-${gone.pid}-old`]
  for (const name of [...kept, ...left]) mkdirSync(join(folder, '.build', name), { recursive: true })
  for (const version of ['one', 'two']) {
    writeFileSync(join(folder, 'src/main.ts'), `export const version: string = '${version}'\n`)
    writeFileSync(join(folder, `src/${version}.ts`), '')
    const builds = Array.from({ length: 2 }, () => spawn(process.execPath, ['--input-type=module', '-e', "await (await import('./scripts/prepare.mjs')).ensureBuilt()"], { cwd: folder, stdio: 'inherit' }))
    t.same(await Promise.all(builds.map(codeOf)), [0, 0])
    t.match(readFileSync(join(folder, 'dist/src/main.js'), 'utf8'), `'${version}'`)
    t.ok(existsSync(join(folder, 'dist/ui/manifest.json')), 'with its pages')
    t.match(JSON.parse(readFileSync(join(folder, 'dist/src/main.js.map'), 'utf8')), { sources: ['../../src/main.ts'] })
    rmSync(join(folder, 'src/one.ts'), { force: true })
  }
  t.same(readdirSync(join(folder, 'dist/src')).filter((name) => name.endsWith('.js')).toSorted(), ['main.js', 'two.js'])
  t.same(readdirSync(join(folder, '.build')).toSorted(), kept.toSorted())
})

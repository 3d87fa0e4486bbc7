// "Adding a feature" of CONTRIBUTING.md, followed to the letter in a copy of the sources: what it says must compile, boot, keep the laws and answer.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { emptyFolder } from '../support/program.js'
import { ROOT } from '../support/sources.js'

const run = promisify(execFile)
const WALK = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8').split('## Adding a feature\n')[1]?.split('\n## ')[0] ?? ''
/** The files of the walk, by their paths, and the lines for src/app.ts. */
function stepsOf(walk: string): { files: [path: string, text: string][]; lines: string[] } {
  const files = [...walk.matchAll(/^`([^`]+)`:\n\n```ts\n([^]*?)^```$/gm)].map((found): [string, string] => [found[1] ?? '', found[2] ?? ''])
  const lines = [...walk.replaceAll(/^`[^`]+`:\n\n```ts\n[^]*?^```$/gm, '').matchAll(/^```ts\n([^]*?)^```$/gm)].map((found) => found[1] ?? '')
  return { files, lines }
}

t.test('the walk of CONTRIBUTING.md ends in a feature that answers', async (t) => {
  const { files, lines } = stepsOf(WALK)
  t.same(files.map(([path]) => path), ['src/greetings/greeting-rules.ts', 'src/greetings/index.ts', 'plugins/features/greetings.ts', 'routes/greetings/index.ts'])
  const [importLine = '', registerLine = ''] = lines
  const folder = emptyFolder(t)
  for (const name of ['src', 'plugins', 'routes', 'prisma', 'test', 'bench', 'faults', 'docs', 'package.json', 'tsconfig.json']) cpSync(join(ROOT, name), join(folder, name), { recursive: true, filter: (path) => !/node_modules|bench\/data/.test(path) })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'dist'))
  symlinkSync(join(ROOT, 'dist/ui'), join(folder, 'dist/ui'))
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const app = join(folder, 'src/app.ts')
  const wired = readFileSync(app, 'utf8').replace(/^import accounts /m, `${importLine}$&`).replace(/^ {2}await app\.register\(gate\)$/m, `$&\n${registerLine.trimEnd()}`)
  writeFileSync(app, wired)
  t.match(wired, /register\(gate\)\n {2}await app\.register\(greetings\)/)

  const answer = await run(process.execPath, ['--import', 'tsx', 'test/support/walk-call.ts'], { cwd: folder })
  t.same(JSON.parse(answer.stdout.trim().split('\n').at(-1) ?? ''), { stranger: 401, member: { text: 'Good morning, Ada' }, documented: 'greet', shown: true })
  await run(process.execPath, ['--import', 'tsx', 'test/structure/imports.test.ts'], { cwd: folder })
})

// npm run dev: the program from its TypeScript sources, started again at each change; the pages are built anew when one of theirs has changed.
import { spawn } from 'node:child_process'
import { watch } from 'node:fs'
import { join } from 'node:path'
import { ensureGenerated, ensureInstalled, ensurePages, root } from './prepare.mjs'

await ensureInstalled()
await ensureGenerated()
await ensurePages()
let building = Promise.resolve()
// several events a save: what has been built already is not built again
watch(join(root, 'ui'), { recursive: true }, () => void (building = building.then(ensurePages)))
const watched = ['plugins/**/*.ts', 'routes/**/*.ts', 'dist/ui/manifest.json'].flatMap((pattern) => ['--include', pattern])
const child = spawn(process.execPath, ['node_modules/tsx/dist/cli.mjs', 'watch', '--clear-screen=false', ...watched, 'src/main.ts'], {
  cwd: root,
  stdio: 'inherit',
  // autoload reads .ts files only when it is told so
  env: { ...process.env, FASTIFY_AUTOLOAD_TYPESCRIPT: '1' },
})
process.on('SIGINT', () => {}) // a terminal's Ctrl-C reaches the child by itself, and tsx takes a second one for impatience
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code) => process.exit(code ?? 1))

// npm run admin -- COMMAND: what the operator does from the host itself, such as an administrator's account without signing in.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

if (!existsSync(join(root, 'dist/src/admin/main.js'))) {
  console.error('Run npm start first: this version has not been built yet')
  process.exit(1)
}
process.setSourceMapsEnabled(true)
const { runAdmin } = await import('../dist/src/admin/main.js')
process.exitCode = await runAdmin(process.argv.slice(2), process.env)

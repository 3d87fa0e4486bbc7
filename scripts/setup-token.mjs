// Prints the setup token of this folder's installation: npm run --silent setup:token. Reads the secret, asks no server.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

if (!existsSync(join(root, 'dist/src/main.js'))) {
  console.error('Run npm start first: nothing has been built yet')
  process.exit(1)
}
const { loadConfig } = await import('../dist/src/environment.js')
const { embeddedSecret } = await import('../dist/src/database/embedded-secret.js')
const { createSecrets } = await import('../dist/src/kernel/secrets.js')
const { setupToken } = await import('../dist/src/setup/setup-token.js')

const outcome = loadConfig(process.env)
if ('mistakes' in outcome) {
  for (const { name, message } of outcome.mistakes) console.error(`${name} ${message}`)
  process.exit(1)
}
const { secret, dataDir } = outcome.config
if (secret === null && !existsSync(join(dataDir, 'secret'))) {
  console.error(`Run npm start first: ${dataDir} holds no installation yet`)
  process.exit(1)
}
console.log(setupToken(createSecrets(secret ?? embeddedSecret(dataDir))))

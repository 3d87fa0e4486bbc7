// node scripts/events-page.mjs [--check]: writes the table of docs/events.md from the catalogue, or says whether it is what would be written.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsImport } from 'tsx/esm/api'
import { root } from './prepare.mjs'

const { EVENTS } = await tsImport('../src/events/event-catalogue.ts', import.meta.url)
const rows = Object.entries(EVENTS).map(([type, { says, needs, data = [] }]) => `| \`${type}\` | ${says} | ${data.map((name) => `\`${name}\``).join(' ')} | \`${needs}\` |`)
const table = `<!-- catalogue -->\n\n| event | what has happened | \`data\` | to be told, hold |\n|---|---|---|---|\n${rows.join('\n')}\n\n<!-- end of catalogue -->`

const file = join(root, 'docs/events.md')
const page = readFileSync(file, 'utf8')
const made = page.replace(/<!-- catalogue -->[^]*<!-- end of catalogue -->/, () => table)
if (!process.argv.includes('--check')) writeFileSync(file, made)
else if (page !== made) {
  console.error('docs/events.md is not what the catalogue says: npm run events:page')
  process.exitCode = 1
}

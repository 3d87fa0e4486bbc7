// node scripts/permissions-page.mjs [--check]: writes docs/permissions.md from the catalogue, or says whether it is what would be written.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsImport } from 'tsx/esm/api'
import { root } from './prepare.mjs'

const { CATALOGUE } = await tsImport('../src/kernel/permission-catalogue.ts', import.meta.url)
const rows = Object.entries(CATALOGUE).map(([name, { says, weight = [], sessionsOnly = false }]) =>
  `| \`${name}\` | ${says} | ${sessionsOnly ? 'role `member`, and people in person; never a key' : ['itself', ...weight].map((one) => (one === 'itself' ? one : `\`${one}\``)).join(' and ')} |`)
const page = `# Permissions of Gatehouse

Made by \`npm run permissions:page\` from \`src/kernel/permission-catalogue.ts\`. What is not in this table and begins with \`gatehouse:\` is refused in a role, on a key and on a route.
All other permissions are the application's, and mean what it says. \`gatehouse:*\` covers all of these and stands in role \`admin\` alone; \`*:*\` covers everything that is the application's.
Who may give what: [security.md](security.md).

| permission | what it allows | to give it, hold |
|---|---|---|
${rows.join('\n')}
`
const file = join(root, 'docs/permissions.md')
if (!process.argv.includes('--check')) writeFileSync(file, page)
else if (readFileSync(file, 'utf8') !== page) {
  console.error('docs/permissions.md is not what the catalogue says: npm run permissions:page')
  process.exitCode = 1
}

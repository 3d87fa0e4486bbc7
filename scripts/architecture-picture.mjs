// node scripts/architecture-picture.mjs: draws the folders of src into docs/architecture.md, from their imports. A test compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tsImport } from 'tsx/esm/api'
import { root } from './prepare.mjs'

const { sourcesBelow } = await tsImport('../test/support/sources.ts', import.meta.url)
const { pictureOf } = await tsImport('../test/support/house.ts', import.meta.url)
const file = join(root, 'docs/architecture.md')
const page = readFileSync(file, 'utf8')
const drawn = page.replace(/(<!-- floors -->\n)[^]*?(\n<!-- end of floors -->)/, (_, begin, end) => `${begin}\n${pictureOf(sourcesBelow('src'))}\n${end}`)
if (drawn === page && !page.includes(pictureOf(sourcesBelow('src')))) throw new Error('docs/architecture.md has no place for the picture')
writeFileSync(file, drawn)

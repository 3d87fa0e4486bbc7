// The documents say what the code says: every error code, every variable.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { REFUSALS } from '../../src/audit/refusal-folds.js'
import { ConfigSchema } from '../../src/config.js'
import { EVENT_TYPES, NO_EVENTS } from '../../src/events/event-catalogue.js'
import { ERRORS } from '../../src/kernel/errors.js'
import { filesBelow, none, ROOT, sourcesBelow } from '../support/sources.js'

/** The cells of every table row of a Markdown file whose first cell is one `code`. */
function rowsOf(path: string): string[][] {
  const lines = readFileSync(join(ROOT, path), 'utf8').split('\n').filter((line) => /^\| `[^`]+` \|/.test(line))
  return lines.map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
}

t.test('docs/errors.md is the table of src/kernel/errors.ts', async (t) => {
  const rows = rowsOf('docs/errors.md')
  const documented = new Map(rows.map(([code = '', status, title]) => [code.replaceAll('`', ''), [Number(status), title]] as const))
  t.equal(documented.size, rows.length, 'no code stands twice')
  none(t, Object.keys(ERRORS).filter((code) => !documented.has(code)).map((code) => `${code}: add a row to docs/errors.md`), 'every code has its row')
  none(t, [...documented.keys()].filter((code) => !(code in ERRORS)).map((code) => `${code} is documented but does not exist`), 'no row without a code')
  for (const [code, [status, title]] of Object.entries(ERRORS)) t.same(documented.get(code), [status, title], `status and title of ${code}`)
  none(t, rows.filter((cells) => cells.length !== 5 || cells.some((cell) => cell === '')).map(([code]) => `${code}: say when it happens and what to do`), 'every row is complete')
})

t.test('every error code can happen', async (t) => {
  const text = sourcesBelow('src', 'plugins', 'routes').filter(({ path }) => path !== 'src/kernel/errors.ts').map((source) => source.text).join('\n')
  none(t, Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`)).map((code) => `nothing answers with ${code}: remove it`), 'each one is used')
})

t.test('docs/permissions.md is what the catalogue says', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/permissions-page.mjs'), '--check'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
})

t.test('docs/events.md is what the catalogue says, and each change that is written down is in it', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/events-page.mjs'), '--check'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const known = new Set<string>([...EVENT_TYPES, ...NO_EVENTS, ...REFUSALS, 'impersonation.request'])
  const written = sourcesBelow('src', 'plugins', 'routes').flatMap(({ path, text }) => [...text.matchAll(/\baction: '([a-z_.]+)'/g)].map(([, action = '']) => ({ path, action })))
  t.ok(written.length > 30)
  const begun = sourcesBelow('src').flatMap(({ path, text }) => [...text.matchAll(/\baction: `([a-z_]+\.)\$\{/g)].map(([, noun = '']) => ({ path, noun })))
  none(t, begun.filter(({ noun }) => ![...known].some((action) => action.startsWith(noun))).map(({ path, noun }) => `${path}: nothing of ${noun}* is an event: add each to src/events/event-catalogue.ts and run npm run events:page`), 'nor is one left out that is put together')
  none(t, written.filter(({ action }) => !known.has(action)).map(({ path, action }) => `${path}: ${action} is no event: add it to src/events/event-catalogue.ts and run npm run events:page`), 'each is an event')
})

t.test('docs/configuration.md lists every variable with its default', async (t) => {
  const rows = new Map(rowsOf('docs/configuration.md').map((cells) => [cells[0]?.replaceAll('`', ''), cells.slice(1).join(' | ')]))
  const names = Object.keys(ConfigSchema.properties)
  none(t, names.filter((name) => !rows.has(name)).map((name) => `${name}: add a row to docs/configuration.md`), 'every variable has its row')
  none(t, [...rows.keys()].filter((name) => name !== undefined && /^[A-Z_]+$/.test(name) && !names.includes(name)).map((name) => `${name} is documented but not read`), 'no row without a variable')
  for (const [name, schema] of Object.entries(ConfigSchema.properties)) {
    const preset: unknown = schema.default
    if (typeof preset !== 'number' && (typeof preset !== 'string' || preset === '')) continue
    const text = String(preset).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    t.match(rows.get(name) ?? '', new RegExp(`(^|[^\\w.])${text}($|\\W)`), `${name} states its default ${preset}`)
  }
})

t.test('links between documents lead somewhere', async (t) => {
  const documents = ['README.md', ...filesBelow('docs', /\.md$/)]
  const broken = documents.flatMap((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    return [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].flatMap(([, target = '']) => {
      const found = join(path, '..', target)
      try {
        readFileSync(join(ROOT, found))
        return []
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EISDIR' ? [] : [`${path} links to ${target}, which is not there`]
      }
    })
  })
  none(t, broken, 'no broken link')
})

t.test('docs/asvs.md names what there is', async (t) => {
  const named = [...readFileSync(join(ROOT, 'docs/asvs.md'), 'utf8').matchAll(/`((?:test|src|plugins|ui)\/[^`]+)`/g)].flatMap(([, path = '']) => path)
  t.ok(named.length > 50)
  none(t, [...new Set(named)].filter((path) => !existsSync(join(ROOT, path))), 'no file that is not there')
})

t.test('docs/operations.md says of every table how it grows and what ends it', async (t) => {
  const schema = readFileSync(join(ROOT, 'prisma/schema.prisma'), 'utf8')
  const tables = [...schema.matchAll(/^model [^{]+\{[^}]*@@map\("([a-z_]+)"\)/gm)].map(([, name = '']) => name)
  t.ok(tables.length > 15)
  const rows = new Map(rowsOf('docs/operations.md').map((cells) => [cells[0]?.replaceAll('`', ''), cells]))
  none(t, tables.filter((name) => !rows.has(name)).map((name) => `${name}: add a row to the table of tables in docs/operations.md`), 'every table has its row')
  none(t, tables.filter((name) => rows.get(name)?.length !== 4 || rows.get(name)?.some((cell) => cell === '')).map((name) => `${name}: say what adds a row, how many in a million requests, and what ends them`), 'complete')
})

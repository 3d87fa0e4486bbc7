// Coverage of the whole program: tap knows only of files that some test loaded, so a file nobody imports would not count.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

const ROOT = resolve(import.meta.dirname, '..')
const REPORT = join(ROOT, '.tap/report/coverage-final.json')
const MINIMUM = { lines: 95, branches: 94 }

function sourcesBelow(folder) {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(ROOT, file).startsWith('src/database/generated/'))
}

/** Does anything of the file exist at run time? One of types only is never loaded. */
function hasCode(file) {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true, removeComments: true },
  })
  return outputText.replace(/export\s*\{\s*\};?/, '').trim() !== ''
}

/** Lines of a file in the report, covered when a statement that begins on them ran (istanbul's own measure). */
function linesOf({ statementMap, s }) {
  const lines = new Map()
  for (const [id, { start }] of Object.entries(statementMap)) lines.set(start.line, Math.max(lines.get(start.line) ?? 0, s[id] ?? 0))
  return { total: lines.size, covered: [...lines.values()].filter((count) => count > 0).length }
}

/** Branches of a file in the report: every way out of a condition is one. */
function branchesOf({ b }) {
  const counts = Object.values(b).flat()
  return { total: counts.length, covered: counts.filter((count) => count > 0).length }
}

/** What is wrong with the coverage of the run that just ended, or null. Prints the total of src, plugins and routes. */
export async function coverageComplaint() {
  if (!existsSync(REPORT)) return 'no coverage was recorded'
  const report = JSON.parse(readFileSync(REPORT, 'utf8'))
  const sums = { lines: { total: 0, covered: 0 }, branches: { total: 0, covered: 0 } }
  const add = (sum, { total, covered }) => {
    sum.total += total
    sum.covered += covered
  }
  for (const file of ['src', 'plugins', 'routes'].flatMap(sourcesBelow)) {
    const entry = report[file]
    if (!entry && !hasCode(file)) continue
    if (!entry) console.log(`# loaded by no test: ${relative(ROOT, file)}`)
    add(sums.lines, entry ? linesOf(entry) : { total: readFileSync(file, 'utf8').split('\n').length, covered: 0 })
    if (entry) add(sums.branches, branchesOf(entry))
  }
  const complaints = []
  for (const [what, { total, covered }] of Object.entries(sums)) {
    const percent = total === 0 ? 0 : Math.floor((covered / total) * 10_000) / 100
    console.log(`# ${what} covered in src, plugins and routes: ${percent} % of ${total}`)
    if (percent < MINIMUM[what]) complaints.push(`coverage is below ${MINIMUM[what]} % of ${what}`)
  }
  return complaints.length === 0 ? null : complaints.join(', ')
}

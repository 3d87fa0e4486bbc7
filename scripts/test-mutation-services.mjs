// npm run test:mutation:services [-- [--list] [--jobs=N] [--only=N,N] TARGET...]: takes one check at a time out of the services that hold authority, and asks the tests that
// cover them, on real stores, whether they notice. A check: an `if`, one side of `&&` or `||`, a `throw`, a call of refuse*, check*, require*, guard* or mind* as a statement, and a power that is
// asked for (`authority.require` becomes `hold`). Prints what nobody noticed; exits 1 when there is any that EQUIVALENT does not name. Minutes a file; no part of npm test.
// The files themselves are never changed: a mutant is loaded in place of its file (mutant-hook.mjs).
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { EQUIVALENT, TARGETS } from './mutation-services.mjs'
import { ensureGenerated, ensureInstalled, ensurePages, root } from './prepare.mjs'
import { setUpStores } from './test-setup.mjs'

// a mutant that never ends is noticed, too
const MOST_MS = Number(process.env.MUTATION_TIMEOUT_MS ?? 150_000)
const CHECKING = /^(refuse|check|require|guard|mind)/

const nameOf = (call) => (ts.isPropertyAccessExpression(call.expression) ? call.expression.name.text : ts.isIdentifier(call.expression) ? call.expression.text : '')
const callOf = (expression) => (ts.isAwaitExpression(expression) ? callOf(expression.expression) : ts.isCallExpression(expression) ? expression : null)

/** The changes that are tried in a source: from where to where, by what. */
function mutantsOf(text) {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.ES2022, true)
  const found = []
  const add = (node, by, what) => found.push({ start: node.getStart(source), end: node.getEnd(), by, what, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1 })
  const visit = (node) => {
    if (ts.isIfStatement(node)) add(node.expression, 'false', `if (${node.expression.getText(source)})`)
    if (ts.isBinaryExpression(node) && [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken].includes(node.operatorToken.kind)) {
      add(node, `(${node.left.getText(source)})`, `without the right side of: ${node.getText(source)}`)
      add(node, `(${node.right.getText(source)})`, `without the left side of: ${node.getText(source)}`)
    }
    // behind an `if` alone it is what the `if` is for
    if (ts.isThrowStatement(node) && !ts.isIfStatement(node.parent)) add(node, ';', node.getText(source))
    const call = ts.isExpressionStatement(node) ? callOf(node.expression) : null
    if (call && CHECKING.test(nameOf(call))) add(node, ';', node.getText(source))
    if (ts.isCallExpression(node) && node.expression.getText(source) === 'authority.require') {
      const [tx, caller, , scope] = node.arguments.map((one) => one.getText(source))
      add(node, `authority.hold(${[tx, caller, scope].filter(Boolean).join(', ')})`, node.getText(source))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found.map((mutant) => ({ ...mutant, what: mutant.what.replaceAll(/\s+/g, ' ').slice(0, 160), text: `${text.slice(0, mutant.start)}${mutant.by}${text.slice(mutant.end)}` }))
}

/** Does the test file notice? 'failed', 'late', or null. */
function notices(test, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--import', pathToFileURL(join(root, 'scripts/mutant-hook.mjs')).href, test], { cwd: root, env: { ...process.env, ...env, FASTIFY_AUTOLOAD_TYPESCRIPT: '1', TAP_TIMEOUT: '0' }, stdio: ['ignore', 'pipe', 'ignore'] })
    let outcome = null
    let output = ''
    const end = (what) => {
      outcome ??= what
      child.kill('SIGKILL')
    }
    const late = setTimeout(() => end('late'), MOST_MS)
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output = `${output}${chunk}`.slice(-10_000)
      if (/^\s*not ok /m.test(output)) end('failed')
    })
    child.on('close', (code) => {
      clearTimeout(late)
      resolve(outcome ?? (code === 0 ? null : 'failed'))
    })
  })
}

const given = process.argv.slice(2)
const option = (name) => given.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3)
const names = given.filter((one) => !one.startsWith('--'))
const unknown = names.filter((name) => !(name in TARGETS))
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. Files: ${Object.keys(TARGETS).join(', ')}`)
  process.exit(2)
}
const only = option('only')?.split(',').map(Number)
const waiting = (names.length > 0 ? names : Object.keys(TARGETS)).flatMap((name) => {
  const file = `src/${name}.ts`
  return mutantsOf(readFileSync(join(root, file), 'utf8')).map((mutant, at) => ({ ...mutant, at, name, file, tests: TARGETS[name] })).filter(({ at }) => !only || only.includes(at))
})
if (given.includes('--list')) {
  for (const { name, at, line, what } of waiting) console.log(`${name} ${at}, line ${line}: ${what}`)
  console.log(`${waiting.length} mutants`)
  process.exit(0)
}

await ensureInstalled()
await ensureGenerated()
await ensurePages()
const stores = await setUpStores()
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-mutants-'))
const tally = new Map()
const missed = []

async function attempt({ at, name, file, line, what, text, tests }) {
  const mutant = join(folder, `${name.replaceAll('/', '-')}-${at}.ts`)
  writeFileSync(mutant, text)
  const env = { ...stores.env, GATEHOUSE_TEST_MUTATED: join(root, file), GATEHOUSE_TEST_MUTANT: mutant }
  let noticed = null
  for (const test of tests) if ((noticed ??= await notices(`test/${test}.test.ts`, env))) break
  const one = tally.get(name) ?? { noticed: 0, same: 0, of: 0 }
  const reason = noticed ? undefined : EQUIVALENT[name]?.[what]
  tally.set(name, { noticed: one.noticed + (noticed ? 1 : 0), same: one.same + (reason === undefined ? 0 : 1), of: one.of + 1 })
  if (noticed) return console.log(`${noticed === 'late' ? 'late' : 'ok'} ${name} ${at}, line ${line}: ${what}`)
  console.log(`${reason === undefined ? 'MISSED' : 'changes nothing'} ${name} ${at}, line ${line}: ${what}`)
  if (reason === undefined) missed.push(what)
}

try {
  const untouched = { ...stores.env, GATEHOUSE_TEST_MUTATED: '', GATEHOUSE_TEST_MUTANT: '' }
  for (const test of new Set(waiting.flatMap(({ tests }) => tests))) {
    if (await notices(`test/${test}.test.ts`, untouched)) throw new Error(`test/${test}.test.ts fails as it is: nothing can be told by it`)
  }
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await attempt(next)
  }
  await Promise.all(Array.from({ length: Number(option('jobs') ?? 2) }, work))
} finally {
  rmSync(folder, { recursive: true, force: true })
  await stores.tearDown()
}
for (const [name, { noticed, same, of }] of tally) console.log(`${name}: ${noticed} of ${of} noticed, ${same} change nothing`)
process.exitCode = missed.length > 0 ? 1 : 0

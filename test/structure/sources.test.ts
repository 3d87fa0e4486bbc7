// What every source file keeps: sizes, no way around the type checker, one clock, comments that speak of the program.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { filesBelow, nodesWhere, none, ROOT, type Source, sourcesBelow } from '../support/sources.js'

const THIS = 'test/structure/sources.test.ts' // it spells out what it forbids
const PROGRAM = sourcesBelow('src', 'plugins', 'routes')
const TESTS = sourcesBelow('test')
const ALL = [...PROGRAM, ...TESTS, ...sourcesBelow('bench', 'faults', 'ui')]
// waits for processes, before there is a clock or a configuration to pass on
const OUTSIDE = /^src\/(main|node|kernel\/clock|database\/embedded-postgres.*)\.ts$/
const INSIDE = PROGRAM.filter(({ path }) => !OUTSIDE.test(path))

function textFiles(): string[] {
  const folders = ['docs', 'scripts', 'src', 'plugins', 'routes', 'test', 'bench', 'prisma', 'ui']
  const found = folders.flatMap((folder) => filesBelow(folder, /\.(tsx?|css|mjs|md|sql|prisma|json|ya?ml|conf)$/))
  return ['README.md', '.ci/run', '.taprc', 'package.json', ...found].filter((path) => path !== THIS && statSync(join(ROOT, path), { throwIfNoEntry: false }))
}

/** `path:line` of every line of these files that a pattern matches. */
function linesWhere(paths: string[], pattern: RegExp): string[] {
  return paths.flatMap((path) => readFileSync(join(ROOT, path), 'utf8').split('\n').flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}`] : [])))
}

function nodesIn(sources: Source[], pick: (node: ts.Node) => boolean): string[] {
  return sources.flatMap((source) => nodesWhere(source, pick))
}

function isCall(node: ts.Node, object: string, method: string): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false
  return node.expression.expression.getText() === object && node.expression.name.text === method
}

/** Reads the system's time, or randomness that is not fit for secrets. */
function readsSystem(node: ts.Node): boolean {
  if (ts.isNewExpression(node)) return node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0
  return isCall(node, 'Date', 'now') || isCall(node, 'performance', 'now') || isCall(node, 'Math', 'random')
}

function readsEnvironment(node: ts.Node): boolean {
  return ts.isPropertyAccessExpression(node) && node.getText() === 'process.env'
}

function isOnly(node: ts.Node): boolean {
  return ts.isPropertyAccessExpression(node) && /^\w+\.(only|todo)$/.test(node.getText())
}

/** A subtest whose callback neither uses its `t` nor hands it on: it passes whatever happens. */
function isEmptySubtest(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) || !/^\w+\.test$/.test(node.expression.getText())) return false
  const body = node.arguments.at(-1)
  if (!body || !(ts.isArrowFunction(body) || ts.isFunctionExpression(body))) return false
  const name = body.parameters[0]?.name.getText()
  if (name === undefined) return true
  const withoutHousekeeping = body.body.getText().replace(new RegExp(`\\b${name}\\.(teardown|comment|end|plan)\\b`, 'g'), '')
  return !new RegExp(`\\b${name}\\b`).test(withoutHousekeeping)
}

function percentile(sorted: number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

t.test('no file is longer than 350 lines, and most are short', async (t) => {
  const scripts = filesBelow('scripts', /\.mjs$/).map((path) => ({ path, lines: readFileSync(join(ROOT, path), 'utf8').split('\n').length - 1 }))
  const long = [...ALL, ...scripts].filter(({ lines }) => lines > 350)
  none(t, long.map(({ path, lines }) => `${path} has ${lines} lines: split it by what it decides`), 'none above 350')
  const sizes = PROGRAM.map(({ lines }) => lines).toSorted((a, b) => a - b)
  t.ok(percentile(sizes, 0.5) <= 90, `the median of src, plugins and routes is ${percentile(sizes, 0.5)} lines, at most 90`)
  t.ok(percentile(sizes, 0.9) <= 220, `the 90th percentile is ${percentile(sizes, 0.9)} lines, at most 220`)
})

t.test('the type checker is not talked round', async (t) => {
  none(t, nodesIn(ALL, (node) => node.kind === ts.SyntaxKind.AnyKeyword).map((at) => `${at} uses any: say what it is, or unknown`), 'no any')
  none(t, nodesIn(ALL, ts.isNonNullExpression).map((at) => `${at} uses a non-null "!": handle the null`), 'no non-null assertion')
  const paths = ALL.map(({ path }) => path).filter((path) => path !== THIS)
  none(t, linesWhere(paths, /@ts-(ignore|nocheck|expect-error)/).map((at) => `${at} switches the type checker off`), 'it is never switched off')
})

t.test('time and configuration are passed in', async (t) => {
  none(t, nodesIn(INSIDE, readsSystem).map((at) => `${at} reads the system's time or Math.random: take a Clock, or use kernel/ids`), 'no hidden time')
  none(t, nodesIn(INSIDE, readsEnvironment).map((at) => `${at} reads process.env: take the Config`), 'no hidden configuration')
})

t.test('every file opens with a comment that says what it decides', async (t) => {
  none(t, ALL.filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text)).map(({ path }) => `${path} has no opening comment`), 'all have one')
  none(t, linesWhere(ALL.map(({ path }) => path), /^\s*\/\/\s*[-=*#~]{3,}/).map((at) => `${at} is a banner`), 'no banners')
})

t.test('files are named in kebab-case, and for what they are', async (t) => {
  const paths = ALL.map(({ path }) => path)
  none(t, paths.filter((path) => !/(^|\/)[a-z0-9.]+(-[a-z0-9.]+)*\.tsx?$/.test(path)).map((path) => `${path}: use kebab-case`), 'kebab-case')
  none(t, paths.filter((path) => /(^|[/-])(utils?|helpers?|common|manager|misc)[./-]/.test(path)).map((path) => `${path}: say what it holds`), 'no grab-bags')
})

t.test('texts speak of the program, not of how or where it was written', async (t) => {
  const words: [RegExp, string][] = [
    [/\bissues? #?\d+\b/i, 'the number of a ticket'],
    [/(^|[\s'"`(])\/(work|root|tmp\/gh)\//, "a path of somebody's machine"],
    [/\b(coding agent|sub-?agents?|agents|assistant)\b/i, 'how it was written'],
    [/\b(TODO|FIXME|XXX|HACK)\b/, 'something unfinished'],
  ]
  const texts = textFiles()
  t.ok(texts.length > 50, 'the texts were found')
  for (const [word, meaning] of words) none(t, linesWhere(texts, word).map((at) => `${at} holds ${meaning}`), `nothing holds ${meaning}`)
})

t.test('every test can fail, and none is left out', async (t) => {
  const files = TESTS.filter(({ path }) => path.endsWith('.test.ts'))
  none(t, nodesIn(files, isEmptySubtest).map((at) => `${at} asserts nothing`), 'every subtest asserts')
  none(t, nodesIn(files, isOnly).map((at) => `${at} is .only or .todo`), 'no .only')
  none(t, files.filter(({ text }) => !/\bt\.test\(/.test(text)).map(({ path }) => `${path} has no subtest`), 'every file has subtests')
  const stray = TESTS.filter(({ path }) => !path.endsWith('.test.ts') && !path.startsWith('test/support/'))
  none(t, stray.map(({ path }) => `${path} is run by nobody: name it .test.ts or move it to test/support`), 'no stray file')
})

// Module hooks of a lane. TypeScript is transpiled once and kept (.tap/transpiled), where tap would do it again in each process.
// `import t from 'tap'` in a test file gives the subtest that the lane opened for this file, so that its apps and databases
// are torn down when the file ends and not when the lane does. No types are checked here.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve as resolvePath } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolvePath(import.meta.dirname, '..')
const KEPT = join(ROOT, '.tap', 'transpiled')
const TEST = 'gatehouse-test:'
const require = createRequire(import.meta.url)
const { version } = require('typescript/package.json')

// a query makes a second copy of a module: a test file run once more under other circumstances
export const isOurs = (url) => url.startsWith('file:') && /\.ts(\?|$)/.test(url) && !url.includes('/node_modules/')

/** TypeScript writes './x.js' for './x.ts'; 'tap' of a test file and tap's own domains are replaced; all else goes on. */
export function resolve(specifier, context, next) {
  const { parentURL = '' } = context
  if (specifier === 'async-hook-domain') return { url: new URL('test-domain.mjs', import.meta.url).href, shortCircuit: true, format: 'module' }
  if (specifier === 'tap' && /\.test\.ts(\?|$)/.test(parentURL)) return { url: `${TEST}${parentURL}`, shortCircuit: true, format: 'module' }
  const isPath = specifier.startsWith('.') || specifier.startsWith('file:') || specifier.startsWith('/')
  if (!isPath) return next(specifier, context)
  const url = new URL(specifier.replace(/\.js$/, '.ts'), parentURL || undefined)
  if (!isOurs(url.href) || !existsSync(fileURLToPath(url))) return next(specifier, context)
  return { url: url.href, shortCircuit: true, format: 'module' }
}

/** Where a file of ours is kept as JavaScript. */
export const keptAt = (path) => join(KEPT, `${relative(ROOT, path)}.js`)

function transpiled(path) {
  const text = readFileSync(path, 'utf8')
  const mark = `\n// ${createHash('sha256').update(version).update(text).digest('hex')}\n`
  const kept = keptAt(path)
  if (existsSync(kept)) {
    const source = readFileSync(kept, 'utf8')
    if (source.endsWith(mark)) return source
  }
  const ts = require('typescript')
  const { outputText } = ts.transpileModule(text, {
    fileName: path,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, inlineSourceMap: true, inlineSources: true },
  })
  const source = `${outputText}${mark}`
  mkdirSync(dirname(kept), { recursive: true })
  const written = `${kept}.${process.pid}`
  writeFileSync(written, source)
  renameSync(written, kept) // lanes share the folder
  return source
}

/** Sources are transpiled; the replaced 'tap' is the subtest that test-lane.mjs put down under the file's URL. */
export function load(url, context, next) {
  if (url.startsWith(TEST)) {
    return { format: 'module', shortCircuit: true, source: `export default globalThis[Symbol.for('gatehouse.test')].get(${JSON.stringify(url.slice(TEST.length))})` }
  }
  return isOurs(url) ? { format: 'module', shortCircuit: true, source: transpiled(fileURLToPath(url)) } : next(url, context)
}

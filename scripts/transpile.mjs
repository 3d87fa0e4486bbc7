// node scripts/transpile.mjs OUT PLACE FILE...: TypeScript to JavaScript, file by file and without a look at types, with source maps. Written to OUT, which
// will lie at PLACE.
// A process of its own: the compiler is not needed again, and would stay in the memory of the server it builds.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { root } from './prepare.mjs'

const [out, place, ...files] = process.argv.slice(2)
const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, sourceMap: true }
let wrong = 0

for (const file of files) {
  const target = join(out, file.replace(/\.ts$/, '.js'))
  const folder = dirname(target)
  const { outputText, sourceMapText = '', diagnostics = [] } = ts.transpileModule(readFileSync(join(root, file), 'utf8'), { fileName: basename(file), compilerOptions, reportDiagnostics: true })
  for (const { messageText, start } of diagnostics) console.error(`${file}, at character ${start}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
  wrong += diagnostics.length
  mkdirSync(folder, { recursive: true })
  writeFileSync(target, outputText)
  writeFileSync(`${target}.map`, JSON.stringify({ ...JSON.parse(sourceMapText), sources: [relative(join(place, dirname(file)), join(root, file))] }))
}
process.exitCode = wrong === 0 ? 0 : 1

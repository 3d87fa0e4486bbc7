// The hook of mutant-hook.mjs, on the thread that loads modules.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { transformSync } from 'esbuild'

const { GATEHOUSE_TEST_MUTATED: mutated = '', GATEHOUSE_TEST_MUTANT: mutant = '' } = process.env
const url = mutated === '' ? null : pathToFileURL(mutated).href

export async function load(asked, context, next) {
  if (url === null || asked.split('?')[0] !== url) return next(asked, context)
  const { code } = transformSync(readFileSync(mutant, 'utf8'), { loader: 'ts', format: 'esm', target: 'es2022' })
  return { format: 'module', source: code, shortCircuit: true }
}

// Module hooks of mutation-runner.mjs: those of a lane, and a `?turn=` that goes on from a module to all it imports of ours, so that each turn
// has a program of its own. What is loaded is transpiled once a process: nothing in a sandbox changes.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import * as lane from './test-lane-hooks.mjs'

const transpiled = new Map()
const isOurs = (url) => url.startsWith('file:') && /\.ts(\?|$)/.test(url) && !url.includes('/node_modules/')

export async function resolve(specifier, context, next) {
  const found = await lane.resolve(specifier, context, next)
  const turn = /\?turn=\d+$/.exec(context.parentURL ?? '')
  return turn !== null && isOurs(found.url) && !found.url.includes('?') ? { ...found, url: `${found.url}${turn[0]}` } : found
}

export async function load(url, context, next) {
  if (!isOurs(url)) return lane.load(url, context, next)
  const path = fileURLToPath(url)
  if (!transpiled.has(path)) {
    transpiled.set(path, transformSync(readFileSync(path, 'utf8'), { loader: 'ts', format: 'esm', target: 'es2022', tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } }).code)
  }
  return { format: 'module', shortCircuit: true, source: transpiled.get(path) }
}

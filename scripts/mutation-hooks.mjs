// Module hooks of mutation-runner.mjs: those of a lane, and a `?turn=` that goes on from a module to all it imports of ours, so that each turn
// has a program of its own. What is loaded is read once a process: nothing in a sandbox changes.
import * as lane from './test-lane-hooks.mjs'

const loaded = new Map()

export async function resolve(specifier, context, next) {
  const found = await lane.resolve(specifier, context, next)
  const turn = /\?turn=\d+$/.exec(context.parentURL ?? '')
  return turn !== null && lane.isOurs(found.url) && !found.url.includes('?') ? { ...found, url: `${found.url}${turn[0]}` } : found
}

export function load(url, context, next) {
  if (!lane.isOurs(url)) return lane.load(url, context, next)
  const path = url.replace(/\?.*$/, '')
  if (!loaded.has(path)) loaded.set(path, lane.load(path, context, next))
  return loaded.get(path)
}

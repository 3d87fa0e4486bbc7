// One lane of a test run: a process that takes one test file after the other until none is left. The program is loaded once
// for all of them instead of once for each file (3 s and 250 MB). Lanes share the work through claims: an exclusively created
// file for each test file taken, so a long one on one lane does not keep the others waiting.
import { closeSync, openSync } from 'node:fs'
import { register } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = resolve(import.meta.dirname, '..')
const FILE_AT_MOST_MS = 240_000 // a busy machine is slow; a file that needs more says so with t.setTimeout
const LANE_AT_MOST_MS = 60 * 60_000
const ENDED_AT_LATEST_MS = 5_000

const { files, claims } = JSON.parse(process.env.GATEHOUSE_TEST_LANE)
const testOf = (globalThis[Symbol.for('gatehouse.test')] = new Map())
register('./test-lane-hooks.mjs', import.meta.url)
const { default: t } = await import('tap') // now, with the hooks

function claim(index) {
  try {
    closeSync(openSync(join(claims, String(index)), 'wx'))
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

t.setTimeout(LANE_AT_MOST_MS)
for (const [index, file] of files.entries()) {
  if (!claim(index)) continue
  const url = pathToFileURL(join(ROOT, file)).href
  const begun = performance.now()
  await t.test(file, { timeout: FILE_AT_MOST_MS }, async (t) => {
    testOf.set(url, t)
    await import(url)
  })
  // at once: what tap says of a lane comes when the lane ends
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  console.error(`# ${testOf.get(url)?.passing() === true ? 'ok' : 'NOT OK'} ${file} ${seconds} s`)
  testOf.delete(url)
}
t.end()

// what a file left open would keep the lane alive in silence
setTimeout(() => {
  console.error(`# a lane does not end: ${process.getActiveResourcesInfo().join(', ')} still open`)
  process.exit(1)
}, ENDED_AT_LATEST_MS).unref()

// Runs a feature's tests on one mutant after the other in one process, where StrykerJS's own runner for tap starts a process for each test file of each
// mutant: a twentieth of the time. Nothing is handed on from one mutant to the next: each run loads the program's modules anew (mutation-hooks.mjs).
import { register } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin'
import { determineHitLimitReached, toMutantRunResult } from '@stryker-mutator/api/test-runner'

// a test that waits for what a mutant never does has failed; the slowest file takes a few seconds
const FILE_AT_MOST_MS = 20_000
const PROCESS_AT_MOST_MS = 60 * 60_000

const state = (globalThis.__stryker__ ??= {})
let turn = 0

class InProcess {
  static inject = tokens(commonTokens.options)
  #files
  #Test
  #testOf
  #stray = []

  constructor(options) {
    this.#files = options.inProcess.testFiles
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    // the parent reads what StrykerJS sends, in texts; what tap would tell its own parent is nothing to it
    const send = process.send?.bind(process)
    if (send) process.send = (message, ...more) => (typeof message === 'string' ? send(message, ...more) : true)
    this.#testOf = globalThis[Symbol.for('gatehouse.test')] = new Map()
    register('./mutation-hooks.mjs', import.meta.url)
    const { t, Test } = await import('tap')
    t.setTimeout(PROCESS_AT_MOST_MS)
    this.#Test = Test
    // what a mutant throws where nobody waits for it
    for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => this.#stray.push(error))
  }

  async #run(file) {
    const url = `${pathToFileURL(resolve(file)).href}?turn=${turn += 1}`
    const begun = performance.now()
    this.#stray = []
    const all = new this.#Test({ name: file, timeout: FILE_AT_MOST_MS })
    all.resume()
    await all.test(file, { timeout: FILE_AT_MOST_MS }, async (t) => {
      this.#testOf.set(url, t)
      await import(url)
    })
    this.#testOf.delete(url)
    const isOk = all.passing() && this.#stray.length === 0
    all.end()
    return { id: file, name: file, fileName: file, timeSpentMs: performance.now() - begun, status: isOk ? 0 : 1, failureMessage: isOk ? undefined : `${file} failed ${this.#stray.join(', ')}` }
  }

  async #runAll(files, isEnough, hitLimit) {
    const tests = []
    for (const file of files) {
      state.currentTestId = file
      tests.push(await this.#run(file))
      const endless = determineHitLimitReached(state.hitCount, hitLimit)
      if (endless) return endless
      if (isEnough(tests.at(-1))) break
    }
    return { status: 'complete', tests, mutantCoverage: state.mutantCoverage }
  }

  async dryRun() {
    state.mutantCoverage = { static: {}, perTest: {} }
    const result = await this.#runAll(this.#files, () => false)
    delete state.mutantCoverage
    return result
  }

  async mutantRun({ activeMutant, testFilter = this.#files, hitLimit }) {
    Object.assign(state, { activeMutant: activeMutant.id, hitLimit, hitCount: hitLimit === undefined ? undefined : 0 })
    const result = await this.#runAll(testFilter, ({ status }) => status === 1, hitLimit)
    Object.assign(state, { activeMutant: undefined, hitLimit: undefined, hitCount: undefined })
    return toMutantRunResult(result)
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'inProcess', InProcess)]
export const strykerValidationSchema = { properties: { inProcess: { type: 'object' } } }

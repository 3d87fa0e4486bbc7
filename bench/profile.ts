// npm run bench:profile: one scenario against a server that V8 samples, and where its time went. The figures are no
// measurement: sampling costs time.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DATA_FOLDER } from './environment.js'
import { startGatehouse } from './gatehouse.js'
import { loadFor, sample } from './measure.js'
import type { BenchOptions } from './options.js'
import { ask, type Placement, startChild } from './processes.js'
import { type CpuProfile, profileText, summarise } from './profile-report.js'
import { FLOW_ROWS, REQUEST_ROWS } from './oauth-loads.js'
import { prepareOAuth } from './oauth-world.js'
import type { Flow, Load, LoadResult } from './protocol.js'
import { SCENARIOS } from './scenarios.js'
import type { World } from './world.js'

const FUNCTIONS = 25
const WARM_UP_SECONDS = 2
const EVERY_US = 200

function steadyUs(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

/** The one file in `folder` that was not there before. Throws when there is none. */
function newProfile(folder: string, before: ReadonlySet<string>): string {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile') && !before.has(name))
  if (file === undefined) throw new Error(`The server left no profile in ${folder}`)
  return join(folder, file)
}

/** What can be loaded under a profile, by name. `generator`: the file of the process that makes the load. */
export interface Profiled {
  name: string
  generator: string
  prepare: (world: World) => Promise<{ label: string; load: Load | Flow }>
}

export const PROFILED: readonly Profiled[] = [
  ...SCENARIOS.map(({ name, prepare }): Profiled => ({
    name, generator: 'generator.js',
    async prepare(world) {
      const prepared = await prepare(world)
      return { label: prepared.label, load: loadFor(world.api.originOf(prepared.path), prepared, await sample(world.api, prepared)) }
    },
  })),
  ...REQUEST_ROWS.map(({ name, label, prepare }): Profiled => ({
    name, generator: 'generator.js',
    async prepare(world) {
      const { url, method, headers, bodies, markers } = await prepare(await prepareOAuth(world))
      const text = await (await fetch(url, { method, headers, ...(bodies[0] === undefined ? {} : { body: bodies[0] }) })).text()
      return { label, load: { url, method, headers, bodies, markers, connections: world.connections, seconds: world.seconds, length: text.length } }
    },
  })),
  ...FLOW_ROWS.map(({ name, label, prepare }): Profiled => ({
    name, generator: 'oauth-flows.js',
    prepare: async (world) => ({ label, load: { ...(await prepare(await prepareOAuth(world))), seconds: world.seconds } }),
  })),
]

/** Loads a server under `--cpu-prof`; writes the profile and gives what it says, as text. Throws for wrong answers, as a measurement does. */
export async function profile(profiled: Profiled, options: BenchOptions, placement: Placement, facts: Pick<World, 'users' | 'bcryptCost'>): Promise<string> {
  const folder = resolve(options.outFolder ?? join(DATA_FOLDER, 'profiles'))
  mkdirSync(folder, { recursive: true })
  const before = new Set(readdirSync(folder))
  const { api, stop } = await startGatehouse(placement.server, { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${EVERY_US}`] })
  const generator = startChild(profiled.generator, placement.generator, process.env, { ipc: true })
  const { label, load } = await profiled.prepare({ api, ...facts, connections: options.connections, seconds: options.seconds })
  await ask<LoadResult>(generator, { ...load, seconds: WARM_UP_SECONDS })
  const fromUs = steadyUs()
  const { faults, requestsPerSecond, generatorBusy } = await ask<LoadResult>(generator, load)
  const toUs = steadyUs()
  await generator.stop()
  await stop()
  if (faults.length > 0) throw new Error(faults.join('; '))

  const file = newProfile(folder, before)
  const summary = summarise(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, fromUs, toUs)
  if (summary.samples === 0) throw new Error(`${file} holds no samples of the time under load`)
  return `${label}: ${Math.round(requestsPerSecond).toLocaleString('en')} req/s while being sampled every ${EVERY_US} us; the generator had work ${Math.round(generatorBusy * 100)} % of the time\n${file}\n${profileText(summary, FUNCTIONS)}`
}

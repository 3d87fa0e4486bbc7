// What a .cpuprofile says about a stretch of time: where the samples fell, by function and by package. Pure.

interface CallFrame {
  functionName: string
  /** of scripts; '0' for what V8 brings along */
  scriptId: string
  url: string
  /** from 0 */
  lineNumber: number
}

/** The part of V8's format that is read. Times are microseconds of the steady clock that process.hrtime() shows. */
export interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame }[]
  startTime: number
  samples: number[]
  timeDeltas: number[]
}

export interface Share {
  name: string
  /** of all samples, 0 to 1 */
  part: number
}

export interface ProfileSummary {
  samples: number
  /** time that the samples stand for */
  seconds: number
  functions: Share[]
  packages: Share[]
}

const PACKAGE = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g
const OURS = /\/dist\/(src|plugins|routes)\//
const NATIVE = new Set(['(program)', '(garbage collector)', '(idle)', '(root)'])

function packageOf({ functionName, scriptId, url }: CallFrame): string {
  if (NATIVE.has(functionName)) return functionName
  if (url.startsWith('node:')) return 'node:internal'
  const found = [...url.matchAll(PACKAGE)].at(-1)?.[1]
  if (found !== undefined) return found
  const folder = OURS.exec(url)?.[1]
  if (folder !== undefined) return `gatehouse ${folder}`
  if (url !== '') return url
  // what ajv, fast-json-stringify and find-my-way write for themselves has a script but no file
  return scriptId === '0' ? 'V8 built-ins' : 'compiled at run time (schemas, router)'
}

function placeOf(frame: CallFrame): string {
  const { functionName, url, lineNumber } = frame
  const file = url.replace(/^file:\/\//, '').replace(/^.*\/node_modules\//, '').replace(/^.*\/dist\//, 'dist/')
  return `${functionName === '' ? '(anonymous)' : functionName}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
}

function sharesOf(times: ReadonlyMap<string, number>, total: number): Share[] {
  return [...times].map(([name, time]) => ({ name, part: total === 0 ? 0 : time / total })).toSorted((a, b) => b.part - a.part)
}

/** Self times of the samples between two moments (microseconds of the steady clock). */
export function summarise({ nodes, startTime, samples, timeDeltas }: CpuProfile, fromUs: number, toUs: number): ProfileSummary {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const functions = new Map<string, number>()
  const packages = new Map<string, number>()
  let at = startTime
  let total = 0
  let counted = 0
  samples.forEach((id, index) => {
    at += timeDeltas[index] ?? 0
    const frame = frames.get(id)
    // a sample stands for the time until the next one
    const lasted = Math.max(0, timeDeltas[index + 1] ?? 0)
    if (!frame || at < fromUs || at > toUs) return
    counted += 1
    total += lasted
    const place = placeOf(frame)
    const name = packageOf(frame)
    functions.set(place, (functions.get(place) ?? 0) + lasted)
    packages.set(name, (packages.get(name) ?? 0) + lasted)
  })
  return { samples: counted, seconds: total / 1e6, functions: sharesOf(functions, total), packages: sharesOf(packages, total) }
}

function linesOf(shares: readonly Share[]): string {
  return shares.map(({ name, part }) => `${(part * 100).toFixed(1).padStart(5)} %  ${name}`).join('\n')
}

/** The lists, for people. */
export function profileText({ samples, seconds, functions, packages }: ProfileSummary, most: number): string {
  return [
    `${samples.toLocaleString('en')} samples of ${seconds.toFixed(1)} s under load; self time`,
    `\nthe ${most} functions with the most\n${linesOf(functions.slice(0, most))}`,
    `\nby package\n${linesOf(packages.filter(({ part }) => part >= 0.001))}`,
  ].join('\n')
}

// The command line and the environment of the benchmark.
import { parseArgs } from 'node:util'

export interface BenchOptions {
  command: 'bench' | 'seed' | 'profile'
  /** scenarios whose names begin with one of these; empty for all */
  only: string[]
  /** length of a round */
  seconds: number
  connections: number
  rounds: number
  pin: boolean
  /** where the results go as JSON; null for nowhere */
  jsonFile: string | null
  /** where the profile goes; null for bench/data/profiles */
  outFolder: string | null
  /** what bench:seed fills up to */
  users: number
  /** distinct keys of the latency rows */
  keys: number
}

export const USAGE = `npm run bench -- [--only NAME,...] [--seconds 1] [--connections 32] [--rounds 9] [--no-pin] [--json FILE]
npm run bench:profile -- [--only NAME] [--seconds 8] [--connections 32] [--no-pin] [--out FOLDER]
npm run bench:seed        fills the bench database with BENCH_USERS users (default 1000000)`

function integer(name: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < minimum || value > maximum) throw new Error(`${name} must be a whole number from ${minimum} to ${maximum}\n${USAGE}`)
  return value
}

/** Reads both. Throws with the usage for what is not known. */
export function readOptions(args: string[], environment: Record<string, string | undefined>): BenchOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string', default: '' },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '9' },
      json: { type: 'string' },
      out: { type: 'string' },
      'no-pin': { type: 'boolean', default: false },
    },
  })
  const [command = 'bench', ...rest] = positionals
  if ((command !== 'bench' && command !== 'seed' && command !== 'profile') || rest.length > 0) throw new Error(USAGE)
  return {
    command,
    only: values.only.split(',').map((name) => name.trim()).filter((name) => name !== ''),
    seconds: integer('--seconds', values.seconds ?? (command === 'profile' ? '8' : '1'), 1, 600),
    connections: integer('--connections', values.connections, 1, 1000),
    rounds: integer('--rounds', values.rounds, 1, 99),
    pin: !values['no-pin'],
    jsonFile: values.json ?? null,
    outFolder: values.out ?? null,
    users: integer('BENCH_USERS', environment['BENCH_USERS'] ?? '1000000', 1, 50_000_000),
    keys: integer('BENCH_KEYS', environment['BENCH_KEYS'] ?? '1000000', 1_000, 10_000_000),
  }
}

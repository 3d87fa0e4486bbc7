// What checking a foreign hash takes on this machine, in rounds of bcrypt. It begins with what was measured elsewhere (foreign-hash.ts) and is
// corrected by what is seen here: each wrong password is followed by bcrypt, under the same load, and the two times are compared.
import type { ReadHash } from './foreign-hash.js'

export interface WorkRatios {
  workOf: (read: ReadHash) => number
  /** A check took that long, and that many rounds of bcrypt right after it that long. */
  learn: (read: ReadHash, tookMs: number, rounds: number, roundsMs: number) => void
}

// the median of so many: what stalls now and then moves no median, and would move a mean. Nothing moves it further than this from where it began
const MOST_SAMPLES = 31
const FEWEST_SAMPLES = 3
const FURTHEST = 4
// fewer rounds than these measure little more than the way to another thread
const FEWEST_ROUNDS = 128
// shapes of hashes are few: an installation imports from one or two systems
const MOST_SHAPES = 100

const shapeOf = ({ hash: { kind }, work, memoryBytes }: ReadHash): string => `${kind}:${work}:${memoryBytes}`

export function createWorkRatios(): WorkRatios {
  const seen = new Map<string, number[]>()
  return {
    workOf(read) {
      const samples = seen.get(shapeOf(read)) ?? []
      return samples.length < FEWEST_SAMPLES ? read.work : read.work * (samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 1)
    },
    learn(read, tookMs, rounds, roundsMs) {
      if (rounds < FEWEST_ROUNDS || roundsMs <= 0 || tookMs <= 0) return
      const shape = shapeOf(read)
      const samples = seen.get(shape) ?? []
      if (samples.length === 0 && seen.size >= MOST_SHAPES) return
      seen.set(shape, [...samples.slice(1 - MOST_SAMPLES), Math.min(FURTHEST, Math.max(1 / FURTHEST, tookMs / (roundsMs / rounds) / read.work))])
    },
  }
}

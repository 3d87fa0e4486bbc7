// Which of many keys the next request is about. Pure but for the random source it is given.
export type DrawKind = 'zipf' | 'uniform'

// a prime above any number of keys: neighbours in rank are not neighbours in the table
const STEP = 15_485_863

/** The number of the key that is asked for most, second most, and so on; ranks and numbers count from 1. */
export function keyOfRank(rank: number, count: number): number {
  return 1 + (rank * STEP) % count
}

/** Sums of 1/rank: where the shares of a Zipf distribution of exponent 1 end. */
function zipfEnds(count: number): Float64Array {
  const ends = new Float64Array(count)
  let sum = 0
  for (let at = 0; at < count; at += 1) {
    sum += 1 / (at + 1)
    ends[at] = sum
  }
  return ends
}

/** Numbers of keys, 1 to `count`: `uniform`, or `zipf` of exponent 1 (the n-th most wanted is asked for 1/n as often as the first). */
export function createDraw(kind: DrawKind, count: number, random: () => number): () => number {
  if (kind === 'uniform') return () => 1 + Math.floor(random() * count)
  const ends = zipfEnds(count)
  const total = ends[count - 1] ?? 0
  return () => {
    const wanted = random() * total
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return keyOfRank(low + 1, count)
  }
}

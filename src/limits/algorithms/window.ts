// The sliding window of one limit: pure arithmetic over at most 60 buckets, all times in whole milliseconds. A bucket holds
// the admissions of windowMs/59 from its first one, and stays counted in full until its LAST one has left the window: so no
// true window of that length, wherever it begins, ever holds more than the quota. limits/take-script.ts says the same in Lua.

/** Beyond this the newest bucket takes what comes, and stays for as long: a counter whose length changes between requests grows no further. */
export const MOST_BUCKETS = 60

/** Admissions still counted, oldest bucket first; three parallel arrays, for one window exists per key in use. */
export interface Window {
  first: number[]
  last: number[]
  count: number[]
  /** sum of `count` */
  used: number
}

export function createWindow(): Window {
  return { first: [], last: [], count: [], used: 0 }
}

/** Forgets what has left the window by `now`. To be called before any other question about `now`. */
export function advance(window: Window, now: number, windowMs: number): void {
  const { first, last, count } = window
  const newest = last.at(-1)
  if (newest === undefined) return
  if (now < newest) {
    // the clock went back (another server took over): everything counts as of now, which denies too long rather than too little
    first.splice(0, first.length, now)
    last.splice(0, last.length, now)
    count.splice(0, count.length, window.used)
    return
  }
  let gone = 0
  while (gone < last.length && (last[gone] ?? 0) + windowMs <= now) {
    window.used -= count[gone] ?? 0
    gone += 1
  }
  if (gone === 0) return
  first.splice(0, gone)
  last.splice(0, gone)
  count.splice(0, gone)
}

/** Counts an admission, whatever is left. */
export function admit(window: Window, now: number, windowMs: number, cost: number): void {
  const { first, last, count } = window
  const at = first.length - 1
  window.used += cost
  if (at >= 0 && (now < (first[at] ?? 0) + Math.ceil(windowMs / 59) || first.length >= MOST_BUCKETS)) {
    last[at] = now
    count[at] = (count[at] ?? 0) + cost
    return
  }
  first.push(now)
  last.push(now)
  count.push(cost)
}

/** Takes back up to `units` of what the bucket that began at `first` counts; nothing when it has gone. */
export function refund(window: Window, first: number, units: number): void {
  const at = window.first.indexOf(first)
  const back = Math.min(units, window.count[at] ?? 0)
  if (back === 0) return
  window.count[at] = (window.count[at] ?? 0) - back
  window.used -= back
}

/** Milliseconds until nothing is counted any more. */
export function resetMs(window: Window, now: number, windowMs: number): number {
  const newest = window.last.at(-1)
  return newest === undefined || window.used === 0 ? 0 : newest + windowMs - now
}

/** Milliseconds until `cost` fits, when nothing else is admitted meanwhile: 0 when it fits, Infinity when it never does. */
export function waitMs(window: Window, now: number, windowMs: number, quota: number, cost: number): number {
  let excess = window.used + cost - quota
  if (excess <= 0) return 0
  if (cost > quota) return Infinity
  for (let at = 0; at < window.count.length; at += 1) {
    excess -= window.count[at] ?? 0
    if (excess <= 0) return (window.last[at] ?? 0) + windowMs - now
  }
  return Infinity
}

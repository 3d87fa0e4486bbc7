// The time of a core that a server takes for its requests: what other programs do on the machine changes it far less than it changes the requests a second.
import { readdirSync, readFileSync } from 'node:fs'

// what the kernel counts in for programs, whatever its own rate is (USER_HZ of Linux)
const TICKS_PER_SECOND = 100

interface Reading {
  parent: number
  seconds: number
}

/** proc_pid_stat(5): fields 4 (parent) and 14 to 17 (its own time, and that of children it waited for); the name, field 2, may hold anything. Null when the process is gone. */
function readingOf(pid: string): Reading | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND }
}

/** Seconds of a core that a process and all below it have used until now: Gatehouse with its embedded PostgreSQL. Null where there is no /proc. */
export function coreSecondsOf(pid: number | undefined): number | null {
  if (pid === undefined || process.platform !== 'linux') return null
  const all = new Map<number, Reading>()
  for (const name of readdirSync('/proc')) {
    const reading = /^\d+$/u.test(name) ? readingOf(name) : null
    if (reading) all.set(Number(name), reading)
  }
  const isBelow = (one: number): boolean => {
    for (let at = one, steps = 0; at > 1 && steps < all.size; at = all.get(at)?.parent ?? 0, steps++) if (at === pid) return true
    return false
  }
  return [...all].reduce((sum, [one, { seconds }]) => (isBelow(one) ? sum + seconds : sum), 0)
}

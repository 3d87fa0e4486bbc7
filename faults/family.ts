// Processes that were started here, with all that descend from them: signals go to these and to nobody else.
import { execFileSync } from 'node:child_process'

/** A process and all that descend from it, it first. */
export function familyOf(pid: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  const family = [pid]
  for (const parent of family) for (const [child, of] of rows) if (child !== undefined && of === parent) family.push(child)
  return family
}

export function signalAll(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // it has ended meanwhile
    }
  }
}

/** Stops a process and its family as a machine that stands still would. Returns them. */
export function freeze(pid: number): number[] {
  // the parent first: it must not start more of them meanwhile
  signalAll([pid], 'SIGSTOP')
  const family = familyOf(pid)
  signalAll(family, 'SIGSTOP')
  return family
}

/** Ends all of them at one moment, as a machine that loses its power would: nobody says goodbye, nobody finishes what was begun. */
export function killFamily(pid: number): void {
  signalAll(freeze(pid), 'SIGKILL')
}

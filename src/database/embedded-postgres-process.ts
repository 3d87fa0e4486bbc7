// One PostgreSQL server process: found by its postmaster.pid, started, stopped. Knows nothing of who owns it.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Binaries } from './embedded-postgres-binaries.js'
import { isAlive, quietEnvironment, restoreFolder } from './embedded-postgres-cluster.js'
import type { RunAs } from './embedded-postgres-user.js'

export const SOCKET_PORT = 5432 // only part of the socket's name
const LOG_BYTES_MAX = 5 << 20
const FAST_STOP_MS = 4_000
const IMMEDIATE_STOP_MS = 1_000
const STALE_AFTER_MS = 3_000

export interface Postmaster {
  pid: number
  socketFolder: string
}

/** What postmaster.pid says; it may be stale. Null when there is none, or it is being written. */
export function readPostmaster(cluster: string): Postmaster | null {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')
    const pid = Number(lines[0])
    const socketFolder = lines[4] ?? ''
    return Number.isInteger(pid) && pid > 1 && socketFolder !== '' ? { pid, socketFolder } : null
  } catch {
    return null
  }
}

/**
 * Removes a postmaster.pid whose process id now belongs to something else, as after a restarted container, where
 * PostgreSQL would refuse to start. A postmaster's working folder is its cluster, so /proc tells them apart; without /proc nothing is done.
 */
export function clearStalePid(cluster: string): void {
  const file = join(cluster, 'postmaster.pid')
  const known = readPostmaster(cluster)
  if (!known || !isAlive(known.pid)) return // PostgreSQL sees by itself that nobody has this id
  try {
    const folder = readlinkSync(`/proc/${known.pid}/cwd`)
    // one that starts just now has not changed its folder yet
    if (folder !== realpathSync(cluster) && Date.now() - statSync(file).mtimeMs > STALE_AFTER_MS) rmSync(file)
  } catch {
    // no /proc, or gone meanwhile
  }
}

export interface ServerProcess {
  child: ChildProcess
  /** what it wrote to its log since it was started */
  said: () => string
}

/** Starts a server. It lives in a process group of its own, so a Ctrl-C in the terminal does not stop it before the requests in flight are done. */
export function spawnServer({ cluster, socketFolder, logFile, binaries, runAs, settings }: {
  cluster: string; socketFolder: string; logFile: string; binaries: Binaries; runAs: RunAs; settings: Readonly<Record<string, string>>
}): ServerProcess {
  restoreFolder(socketFolder, runAs)
  if (existsSync(logFile) && statSync(logFile).size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`)
  const all = {
    listen_addresses: '', port: String(SOCKET_PORT), unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`, unix_socket_permissions: '0700',
    // `log` leaves out failed statements: they hold people's data, and the program that sent them hears of them
    log_min_messages: 'log', log_checkpoints: 'off', jit: 'off', ...settings,
  }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [command, args] = runAs.wrap(binaries.postgres, ['-D', cluster, ...flags])
  const log = openSync(logFile, 'a', 0o600)
  const start = fstatSync(log).size
  const child = spawn(command, args, { ...runAs.ids, detached: true, stdio: ['ignore', log, log], env: quietEnvironment(), cwd: '/' })
  closeSync(log)
  child.on('error', () => {}) // seen as an exit without a word
  child.unref()
  return { child, said: () => readFileSync(logFile).subarray(start).toString('utf8') }
}

/** The reason among a server's last words, in one line. */
export function reasonOf(said: string): string {
  const lines = said.split('\n').map((line) => line.replace(/^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] /, '').trim()).filter((line) => line !== '')
  const grave = lines.findIndex((line) => /^(FATAL|PANIC):/.test(line))
  const chosen = grave === -1 ? lines.slice(-1) : lines.slice(grave).filter((line) => /^(FATAL|PANIC|DETAIL|HINT):/.test(line)).slice(0, 3)
  return chosen.map((line) => line.replace(/^[A-Z]+:\s+/, '')).join('; ') || 'it ended without a word'
}

/** Stops a server: `fast` first (SIGINT: a checkpoint, sessions cut), after 4 s `immediate` (SIGQUIT: the next start recovers). */
export async function stopServer(cluster: string, { pid }: Postmaster): Promise<void> {
  const gone = async (limitMs: number): Promise<boolean> => {
    const until = performance.now() + limitMs
    // the file goes last; the id alone would not do, since an adopted server may stay behind as a zombie
    while (isAlive(pid) && existsSync(join(cluster, 'postmaster.pid'))) {
      if (performance.now() > until) return false
      await delay(15)
    }
    return true
  }
  try {
    process.kill(pid, 'SIGINT')
    if (await gone(FAST_STOP_MS)) return
    process.kill(pid, 'SIGQUIT')
    await gone(IMMEDIATE_STOP_MS)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

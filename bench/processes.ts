// The benchmark's child processes: which core each runs on, how they are spoken to, and that none outlives the benchmark.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

export interface Placement {
  server: readonly string[]
  generator: readonly string[]
  /** for the report */
  text: string
}

export interface Child {
  process: ChildProcess
  /** the last of what it printed */
  said: () => string
  /** SIGTERM, and SIGKILL after 15 s */
  stop: () => Promise<void>
}

const SAID_MAX = 8_000
const STOP_MAX_MS = 15_000
const running = new Set<Child>()

function canRunOn(core: string): boolean {
  return spawnSync('taskset', ['-c', core, 'true'], { stdio: 'ignore' }).status === 0
}

/** Server on core 0, generator on core 1, when there are two and taskset may set them. */
export function choosePlacement(pin: boolean, embedded: boolean): Placement {
  if (!pin) return { server: [], generator: [], text: 'not pinned (--no-pin)' }
  if (availableParallelism() < 2) return { server: [], generator: [], text: 'not pinned (one core for all: the generator takes its share of it)' }
  if (!canRunOn('0') || !canRunOn('1')) return { server: [], generator: [], text: 'not pinned (no taskset here, or it is not allowed)' }
  return { server: ['taskset', '-c', '0'], generator: ['taskset', '-c', '1'], text: `each server on core 0${embedded ? ' (Gatehouse shares it with its embedded PostgreSQL)' : ''}, the generator on core 1` }
}

/** Listens to a process and sees to its end. */
export function childOf(child: ChildProcess): Child {
  let said = ''
  const hear = (data: Buffer): void => {
    said = `${said}${data.toString()}`.slice(-SAID_MAX)
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  const handle: Child = {
    process: child,
    said: () => said.trimEnd(),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS)
      await ended
      clearTimeout(timer)
    },
  }
  running.add(handle)
  child.on('error', (error) => hear(Buffer.from(error.message)))
  child.on('exit', () => running.delete(handle))
  return handle
}

/** Lets a process and its children run on any core again, and those that they start. Does nothing where nothing was pinned. */
export function letRunAnywhere(pid: number, placement: Placement): void {
  if (placement.server.length === 0) return
  const children = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean)
  for (const one of [String(pid), ...children]) spawnSync('taskset', ['-a', '-c', '-p', `0-${availableParallelism() - 1}`, one], { stdio: 'ignore' })
}

/** Starts one of the compiled files as a process of its own; `file` is relative to dist/bench. */
export function startChild(file: string, prefix: readonly string[], environment: NodeJS.ProcessEnv, options: { cwd?: string; ipc: boolean; nodeFlags?: readonly string[] }): Child {
  const [command, ...wrapped] = [...prefix, process.execPath]
  const args = [...wrapped, ...options.nodeFlags ?? [], '--enable-source-maps', join(import.meta.dirname, file)]
  const stdio = ['ignore' as const, 'pipe' as const, 'pipe' as const, ...(options.ipc ? ['ipc' as const] : [])]
  return childOf(spawn(command, args, { env: environment, stdio, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) }))
}

/** Sends a message and gives the next one that comes back. Throws when the child ends instead. */
export async function ask<Answer>(child: Child, message: object): Promise<Answer> {
  const { process: target } = child
  return new Promise<Answer>((resolve, reject) => {
    const onMessage = (answer: unknown): void => {
      target.off('exit', onExit)
      resolve(answer as Answer)
    }
    const onExit = (): void => {
      target.off('message', onMessage)
      reject(new Error(`A process of the benchmark ended:\n${child.said()}`))
    }
    if (!target.connected) {
      onExit()
      return
    }
    target.once('message', onMessage)
    target.once('exit', onExit)
    target.send(message)
  })
}

/** Stops whatever still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()))
}

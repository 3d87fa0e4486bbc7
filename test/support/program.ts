// The built program as a process of its own: started in an empty working folder, read from its two outputs, ended by signals.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './database.js'

const ROOT = join(import.meta.dirname, '../..')
const ENDED_AT_LATEST_MS = 30_000

export interface Program {
  child: ChildProcess
  /** resolves when it listens, with its origin; rejects when it ended before */
  listening: Promise<string>
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  out: () => string
  err: () => string
}

/** Compiles what has changed; does nothing when nothing has. */
export function build(): void {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/build.mjs')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** Where folders of tests are made (scripts/test-setup.mjs). */
const FOLDERS = process.env['GATEHOUSE_TEST_FOLDER'] ?? tmpdir()

/** An empty folder, removed when `t` ends. */
export function emptyFolder(t: Teardown, where = FOLDERS): string {
  const folder = mkdtempSync(join(where, 'gatehouse-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Does a process of this id run? One that has ended may still wait to be taken note of. */
export function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false
  } catch {
    return false
  }
}

/** Starts the program in `folder` with these variables, and no other of Gatehouse's. It is killed when `t` ends, should it still run. */
export function launch(t: Teardown, folder: string, variables: Record<string, string> = {}): Program {
  return launchAt(t, join(ROOT, 'dist/src/main.js'), folder, variables)
}

/** `launch`, of a program that lies elsewhere. */
export function launchAt(t: Teardown, main: string, folder: string, variables: Record<string, string> = {}): Program {
  // the options count coverage, where a run does
  const { PATH, NODE_OPTIONS } = process.env
  const child = spawn(process.execPath, ['--enable-source-maps', main], {
    cwd: folder,
    env: { PATH, ...(NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS }), PORT: '0', INSIDE_PORT: '0', BCRYPT_COST: '10', LOG_LEVEL: 'error', DRAIN_SECONDS: '0', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text
      // where it listens is not always where its clients find it (PUBLIC_URL)
      const port = (/"listensAt":"http:\/\/[^"]*:(\d+)".*}$/m.exec(said.out) ?? /"url":"http:\/\/localhost:(\d+)".*}$/m.exec(said.out))?.[1]
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text))
    void exit.then(({ code }) => reject(new Error(`it ended with ${code} before it listened: ${said.err}`)))
  })
  listening.catch(() => undefined) // a test that expects the end does not ask
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const force = setTimeout(() => child.kill('SIGKILL'), ENDED_AT_LATEST_MS)
    await exit
    clearTimeout(force)
  })
  return { child, listening, exit, out: () => said.out, err: () => said.err }
}

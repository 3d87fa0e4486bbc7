// A real PgBouncer in front of the run's PostgreSQL, to be stopped and started again, ended with `t`.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseRunAs, giveTo } from '../../src/database/embedded-postgres-user.js'
import type { Teardown } from './database.js'
import { eventually, freePort } from './redis.js'

const PROGRAM = 'pgbouncer'
const { status, stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' })
const isThere = status === 0

/** Can this one keep named statements in transaction mode? Not before 1.21. */
export const KEEPS_STATEMENTS = Number(/^PgBouncer 1\.(\d+)/m.exec(isThere ? stdout : '')?.[1] ?? 0) >= 21

/** Why tests with PgBouncer are skipped; false: they are not. In CI it must be there. */
export const NO_PGBOUNCER = isThere || process.env['CI'] === 'true' ? false : 'no pgbouncer on this machine'

export interface PgBouncer {
  /** the same database, through it */
  url: string
  /** Ends it at once, as SIGTERM does (and SIGKILL, in every version): what is under way breaks off. */
  stop: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>
  start: () => Promise<void>
}

export interface PgBouncerOptions {
  mode: 'session' | 'transaction' | 'statement'
  /** sessions of PostgreSQL's that its clients share */
  poolSize: number
  /** files of its certificate: it then takes TLS, and the clear as well */
  tls?: { cert: string; key: string }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Starts one in front of the database of `databaseUrl`. */
export async function pgBouncer(t: Teardown, databaseUrl: string, { mode, poolSize, tls }: PgBouncerOptions): Promise<PgBouncer> {
  const { hostname, port, username, password, pathname, searchParams } = new URL(databaseUrl)
  const name = pathname.slice(1)
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pgbouncer-'))
  const own = await freePort()
  const server = [
    `host=${quoted(searchParams.get('host') ?? hostname)}`, `port=${port || '5432'}`, `dbname=${quoted(name)}`, `user=${quoted(decodeURIComponent(username))}`,
    ...(password === '' ? [] : [`password=${quoted(decodeURIComponent(password))}`]),
  ]
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(file, `[databases]\n${name} = ${server.join(' ')}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${own}\nunix_socket_dir =\nauth_type = any\n`
    + `pool_mode = ${mode}\ndefault_pool_size = ${poolSize}\nmax_client_conn = 200\nserver_login_retry = 1\nlog_connections = 0\nlog_disconnections = 0\n${tls ? `client_tls_sslmode = prefer\nclient_tls_cert_file = ${tls.cert}\nclient_tls_key_file = ${tls.key}\n` : ''}${KEEPS_STATEMENTS ? 'max_prepared_statements = 100\n' : ''}`)
  const runAs = chooseRunAs(spawnSync('sh', ['-c', `command -v ${PROGRAM}`], { encoding: 'utf8' }).stdout.trim(), folder, folder)
  giveTo(runAs, folder)
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const [command, args] = runAs.wrap(PROGRAM, [file])
    child = spawn(command, args, { ...runAs.ids, stdio: 'ignore' })
    await eventually(async () => {
      const socket = connect(own, '127.0.0.1')
      try {
        await once(socket, 'connect')
      } finally {
        socket.destroy()
      }
    }, 10_000)
  }
  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  t.teardown(async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  const url = new URL(databaseUrl)
  url.searchParams.delete('host')
  url.hostname = '127.0.0.1'
  url.port = String(own)
  return { url: url.href, start, stop }
}

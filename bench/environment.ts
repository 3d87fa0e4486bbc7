// The environment the measured server gets: the defaults of Gatehouse, a data folder and an administrator of the benchmark's
// own, and from outside only what says which stores to run on. Your .env and your ./data are not touched.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '../src/config.js'
import { migrationsFolder } from '../src/database/migrate.js'

const ROOT = join(migrationsFolder(), '..', '..')

export const ADMIN = { email: 'admin@bench.example', password: 'the benchmark signs in with this' }

/** What npm start starts Node with; the bare servers get the same, for what is compared is the program. */
export const NODE_FLAGS = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } }).scripts.start.match(/--\S+/g) ?? []

/** Working folder of the server, and its GATEHOUSE_DATA_DIR. */
export const DATA_FOLDER = join(ROOT, 'bench', 'data')

const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'NODE_OPTIONS', 'DATABASE_URL', 'DATABASE_POOL_MAX', 'REDIS_URL', 'GATEHOUSE_SECRET', 'BCRYPT_COST']

/** For the server on `port`, with its inside listener on `insidePort`. With DATABASE_URL a fixed secret stands in for a missing GATEHOUSE_SECRET: use a throw-away database. */
export function serverEnvironment(outside: NodeJS.ProcessEnv, port: number, insidePort: number): Record<string, string> {
  const passed = PASSED_ON.flatMap((name): [string, string][] => {
    const value = outside[name]
    return value === undefined || value === '' ? [] : [[name, value]]
  })
  return {
    ...('DATABASE_URL' in Object.fromEntries(passed) ? { GATEHOUSE_SECRET: 'the secret of a database that holds nothing but a benchmark' } : {}),
    ...Object.fromEntries(passed),
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: String(port),
    INSIDE_PORT: String(insidePort),
    LOG_LEVEL: 'error',
    DRAIN_SECONDS: '0',
    GATEHOUSE_DATA_DIR: DATA_FOLDER,
    GATEHOUSE_ADMIN_EMAIL: ADMIN.email,
    GATEHOUSE_ADMIN_PASSWORD: ADMIN.password,
    // one sign-in lasts for the whole run, however long; nothing else depends on it
    ACCESS_TOKEN_SECONDS: '86400',
    // rows that list are asked without end by one administrator
    REQUESTS_PER_MINUTE: '10000000',
    // rows about events: one administrator's streams, all from here, and a receiver of webhooks on this machine
    EVENT_STREAMS_PER_OWNER: '10000',
    CONNECTIONS_PER_ADDRESS: '10000',
    OUTBOUND_ALLOW: '127.0.0.0/8',
    // sign-ins of many people come from many addresses: the generator tells one for each
    TRUSTED_PROXIES: '127.0.0.1',
  }
}

/** The same as Config, for work on the database without a server. Throws with the mistakes of DATABASE_URL and the like. */
export function benchConfig(outside: NodeJS.ProcessEnv): Config {
  mkdirSync(DATA_FOLDER, { recursive: true, mode: 0o700 })
  const outcome = readConfig(serverEnvironment(outside, 0, 0))
  if ('config' in outcome) return outcome.config
  throw new Error(outcome.mistakes.map(({ name, message }) => `${name} ${message}`).join('\n'))
}

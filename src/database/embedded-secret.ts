// The root secret of an installation on the embedded PostgreSQL: made once, kept beside the database, readable by its owner only.
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { EmbeddedPostgresError, messageOf } from './embedded-postgres-error.js'

const SECRET_BYTES = 48
const LEAST_CHARACTERS = 32

/** The name appears whole or not at all, and of two writers one wins: link(2) refuses a name that is taken. */
function create(file: string): void {
  const draft = `${file}.${process.pid}`
  rmSync(draft, { force: true })
  const handle = openSync(draft, 'wx', 0o600)
  try {
    writeSync(handle, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    linkSync(draft, file)
  } catch (error) {
    if (!existsSync(file)) throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * The secret kept in the data folder; a folder without a database gets a new one. Throws EmbeddedPostgresError when it is
 * missing beside a database, whose signing keys nothing else decrypts, and when it cannot be read or written.
 */
export function embeddedSecret(dataDir: string): string {
  const folder = resolve(dataDir)
  const file = join(folder, 'secret')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!existsSync(file)) {
      if (existsSync(join(folder, 'postgres'))) {
        throw new EmbeddedPostgresError(`GATEHOUSE_SECRET is not set and ${file}, made together with the database beside it, is missing: restore the file or set the variable`)
      }
      create(file)
    }
    const secret = readFileSync(file, 'utf8').trim()
    if (secret.length < LEAST_CHARACTERS) throw new EmbeddedPostgresError(`${file} is damaged: restore it from a backup`)
    return secret
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error
    throw new EmbeddedPostgresError(`GATEHOUSE_DATA_DIR cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

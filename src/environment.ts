// Where the variables of src/config.ts come from: the process's environment, the file .env, and for secrets the files that
// NAME_FILE names, as Docker and Kubernetes mount them. Says in one line what cannot be read, and never shows a value.
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { isSecretName, type Mistake, readConfig, type ReadConfig, variableNames } from './config.js'

const FILE_MAX_BYTES = 1 << 20

class Unreadable extends Error {}

const REASONS: Record<string, string> = {
  EACCES: 'may not be read by this user', EPERM: 'may not be read by this user', ENOENT: 'names a file that is not there', ENOTDIR: 'names a file that is not there',
  ELOOP: 'is a link to itself', ENAMETOOLONG: 'names a file that is not there',
}

function unreadable(error: unknown): Unreadable {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return new Unreadable(REASONS[code] ?? `cannot be read (${code})`)
}

/** The text of a small file, without a byte order mark. Throws Unreadable, whose message says why; ENOENT as undefined. */
function textOf(path: string): string | undefined {
  let bytes: Buffer
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) return undefined
    if (found.isDirectory()) throw new Unreadable('is a folder, not a file')
    if (!found.isFile() && !found.isFIFO()) throw new Unreadable('is no file')
    if (found.size > FILE_MAX_BYTES) throw new Unreadable('is too large')
    bytes = readFileSync(path)
  } catch (error) {
    throw error instanceof Unreadable ? error : unreadable(error)
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes) // takes the mark away
    if (text.includes('\0')) throw new TypeError('U+0000')
    return text
  } catch {
    throw new Unreadable('is not UTF-8 text')
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

type Variables = Record<string, string | undefined>

/** Adds what `.env` says to the environment (libraries read it, too): nothing that is set already. */
function addDotEnv(environment: Variables, path: string, mistakes: Mistake[]): void {
  try {
    const text = textOf(path) ?? ''
    for (const [name, value] of Object.entries(parseEnv(text.replaceAll('\r\n', '\n')))) environment[name] ??= value
  } catch (error) {
    mistakes.push({ name: '.env', message: messageOf(error) })
  }
}

/** Each secret whose NAME_FILE is set, read from there; one closing newline is the editor's, not the secret's. */
function withSecretFiles(environment: Variables, mistakes: Mistake[]): Variables {
  const read: Variables = {}
  for (const secret of variableNames.filter(isSecretName)) {
    const name = `${secret}_FILE`
    const path = environment[name]
    if (path === undefined || path === '') continue
    try {
      if ((environment[secret] ?? '') !== '') throw new Unreadable(`is set beside ${secret}: set one of the two`)
      const text = textOf(path)
      if (text === undefined) throw new Unreadable('names a file that is not there')
      const value = text.replace(/\r?\n$/, '')
      if (value === '') throw new Unreadable('names an empty file')
      read[secret] = value
    } catch (error) {
      mistakes.push({ name, message: messageOf(error) })
    }
  }
  return { ...environment, ...read }
}

/** The configuration of this process: `.env` (added to `environment`) and secret files read, then readConfig. Mistakes in reading are reported beside those in values. */
export function loadConfig(environment: Variables, dotEnv = '.env'): ReadConfig {
  const mistakes: Mistake[] = []
  addDotEnv(environment, dotEnv, mistakes)
  const outcome = readConfig(withSecretFiles(environment, mistakes))
  if (mistakes.length === 0) return outcome
  // a secret that could not be read is not missing, too
  const named = new Set(mistakes.map(({ name }) => name.replace(/_FILE$/, '')))
  return { mistakes: [...mistakes, ...('mistakes' in outcome ? outcome.mistakes.filter(({ name }) => !named.has(name)) : [])] }
}

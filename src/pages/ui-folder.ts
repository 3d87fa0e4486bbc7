// What an operator puts into GATEHOUSE_UI_DIR: theme.css, logo.svg, logo-dark.svg, messages/*.json. Read once at the start, where it is
// set; what cannot be used is said, and left out.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readTheme } from './theme.js'
import type { Messages } from './views.js'

const MOST_BYTES = 256 * 1024

export interface UiFolder {
  /** by name: theme.css, logo.svg, logo-dark.svg */
  files: ReadonlyMap<string, { bytes: Buffer; hash: string }>
  messages: Readonly<Record<string, Messages>>
}

export const NO_UI_FOLDER: UiFolder = { files: new Map(), messages: {} }

function readMessages(path: string): Messages {
  const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new TypeError('is no object')
  return parsed as Messages
}

/** Reads the folder; `warn` hears of everything in it that is not used. */
export function readUiFolder(folder: string, warn: (message: string) => void): UiFolder {
  const files = new Map<string, { bytes: Buffer; hash: string }>()
  const keep = (name: string, bytes: Buffer): void => void files.set(name, { bytes, hash: createHash('sha256').update(bytes).digest('hex').slice(0, 12) })
  const read = (name: string): Buffer | null => {
    const path = join(folder, name)
    if (!existsSync(path)) return null
    if (statSync(path).size <= MOST_BYTES) return readFileSync(path)
    warn(`${name} is larger than ${MOST_BYTES} bytes, and left out`)
    return null
  }
  if (!existsSync(folder)) warn('there is no such folder')
  const theme = read('theme.css')
  if (theme) {
    const { css, warnings } = readTheme(theme.toString('utf8'))
    warnings.forEach(warn)
    if (css !== '') keep('theme.css', Buffer.from(css))
  }
  for (const name of ['logo.svg', 'logo-dark.svg']) {
    const logo = read(name)
    if (logo) keep(name, logo)
  }
  const messages: Record<string, Messages> = {}
  const texts = join(folder, 'messages')
  for (const name of existsSync(texts) ? readdirSync(texts).filter((one) => one.endsWith('.json')).toSorted() : []) {
    try {
      messages[name.slice(0, -'.json'.length)] = readMessages(join(texts, name))
    } catch {
      warn(`messages/${name} is no JSON object, and left out`)
    }
  }
  return { files, messages }
}

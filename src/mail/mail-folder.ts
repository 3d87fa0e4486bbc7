// What an operator puts into GATEHOUSE_MAIL_DIR: messages/*.json and frame.html. Read once at the start; what cannot be used is said, and left out.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { MailOverrides } from './rendering.js'

const MOST_BYTES = 256 * 1024

function readMessages(path: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = statSync(path).size > MOST_BYTES ? null : JSON.parse(readFileSync(path, 'utf8'))
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : null
  } catch {
    return null
  }
}

/** Reads the folder; null is none. `warn` hears of everything in it that is not used. */
export function readMailFolder(folder: string | null, warn: (message: string) => void): MailOverrides {
  if (folder === null) return { messages: {}, frame: null }
  const say = (message: string): void => warn(`GATEHOUSE_MAIL_DIR: ${message}`)
  if (!existsSync(folder)) say('there is no such folder')
  const messages: Record<string, Record<string, unknown>> = {}
  const texts = join(folder, 'messages')
  for (const name of existsSync(texts) ? readdirSync(texts).filter((one) => one.endsWith('.json')).toSorted() : []) {
    const read = readMessages(join(texts, name))
    const tag = name.slice(0, -'.json'.length)
    if (read === null) say(`messages/${name} is no JSON object of at most ${MOST_BYTES} bytes, and left out`)
    else if (!/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(tag)) say(`messages/${name} is named after no language`)
    else messages[tag] = read
  }
  const path = join(folder, 'frame.html')
  const frame = existsSync(path) && statSync(path).size <= MOST_BYTES ? readFileSync(path, 'utf8') : null
  if (existsSync(path) && !frame?.includes('{content}')) say('frame.html is too large or has no {content}, and is left out')
  return { messages, frame: frame?.includes('{content}') ? frame : null }
}

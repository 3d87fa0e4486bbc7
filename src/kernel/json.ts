// JSON as it may be sent here: bytes that are UTF-8, values whose depth, length and number are bounded before anything walks them,
// and only what JavaScript and PostgreSQL hold without changing it (RFC 8259, I-JSON of RFC 7493). One linear scan of the text;
// whether the text is JSON at all is JSON.parse's to say, after it.
import { isUtf8 } from 'node:buffer'
import { type AppError, problem } from './errors.js'
import { isExactNumber } from './numbers.js'

export const MAX_DEPTH = 32
export const MAX_VALUES = 50_000
export const MAX_STRING = 65_536
const MAX_NUMBER = 100
const MAX_PATH = 200

// half a surrogate pair becomes U+FFFD in UTF-8, so that two texts are one; U+0000 is what PostgreSQL does not keep
const SUSPECT = /\\u(?:0000|[dD][89a-fA-F])/
const UNSTORABLE = /[\0\p{Surrogate}]/u
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

const [QUOTE, BACKSLASH, COMMA, MINUS, ZERO, NINE] = [0x22, 0x5c, 0x2c, 0x2d, 0x30, 0x39]
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]

interface Fault {
  at: number
  message: string
}

/** Behind the string that opens at `start`; the end of the text when it never closes. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1
    while (text.charCodeAt(before) === BACKSLASH) before -= 1
    if ((quote - before) % 2 === 1) return quote + 1
  }
  return text.length
}

function decoded(token: string): string {
  try {
    return JSON.parse(token) as string
  } catch {
    return '' // no JSON: JSON.parse will say so of the whole
  }
}

function stringFault(text: string, at: number, end: number): Fault | null {
  if (end - at > MAX_STRING) return { at, message: `must have at most ${MAX_STRING} characters` }
  const token = text.slice(at, end)
  return SUSPECT.test(token) && UNSTORABLE.test(decoded(token)) ? { at, message: 'holds U+0000 or half a surrogate pair' } : null
}

function faultOf(text: string): Fault | null {
  const mayBeSuspect = text.includes('\\u') && SUSPECT.test(text)
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (mayBeSuspect || end - at > MAX_STRING) {
        const fault = stringFault(text, at, end)
        if (fault) return fault
      }
      at = end - 1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1
      values += 1
      if (depth > MAX_DEPTH) return { at, message: `must not be nested deeper than ${MAX_DEPTH} levels` }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1
    } else if (code === COMMA) {
      values += 1
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      NUMBER.lastIndex = at
      const [token = '-'] = NUMBER.exec(text) ?? []
      if (token.length > MAX_NUMBER || !isExactNumber(token)) return { at, message: 'must be a number that is kept as it is: integers up to 2^53 - 1, none too large or too small; send others as a string' }
      at += token.length - 1
    }
    if (values > MAX_VALUES) return { at: 0, message: `must hold at most ${MAX_VALUES} values` }
  }
  return null
}

interface Level {
  isArray: boolean
  index: number
  name: string
  /** the next string names a property */
  wantsName: boolean
}

/** The JSON pointer (RFC 6901) of the value at an offset of a text, cut where it gets long. */
function pointerTo(text: string, offset: number): string {
  const levels: Level[] = []
  for (let at = 0; at < offset; at += 1) {
    const level = levels.at(-1)
    const character = text[at]
    if (character === '"') {
      const end = endOfString(text, at)
      if (level?.wantsName === true) level.name = decoded(text.slice(at, end))
      if (level) level.wantsName = false
      at = end - 1
    } else if (character === '{' || character === '[') {
      levels.push({ isArray: character === '[', index: 0, name: '', wantsName: character === '{' })
    } else if (character === '}' || character === ']') {
      levels.pop()
    } else if (character === ',' && level) {
      level.index += 1
      level.wantsName = !level.isArray
    }
  }
  // a level that still waits for a name: what is wrong is the name itself, and the path is that of its object
  const parts = levels.filter(({ wantsName }) => !wantsName).map(({ isArray, index, name }) => (isArray ? String(index) : name.replaceAll('~', '~0').replaceAll('/', '~1')))
  return `/${parts.join('/')}`.slice(0, MAX_PATH)
}

function malformed(detail: string, cause?: unknown): AppError {
  return problem('request.malformed', { detail, ...(cause === undefined ? {} : { cause }) })
}

/**
 * The text of a body. Throws request.malformed for bytes that are not UTF-8, and request.invalid, with the path, for a value that is
 * too deep, too long, one of too many, or that would not be kept as it is. A byte order mark is no part of it (RFC 8259 8.1).
 */
export function readJsonText(body: Buffer): string {
  if (!isUtf8(body)) throw malformed('The body is not UTF-8')
  const text = body.toString('utf8')
  const bare = text.startsWith('\ufeff') ? text.slice(1) : text
  const fault = faultOf(bare)
  if (fault) throw problem('request.invalid', { detail: 'The body holds what is not taken', errors: [{ path: pointerTo(bare, fault.at), message: fault.message }] })
  return bare
}

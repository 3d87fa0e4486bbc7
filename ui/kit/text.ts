// Words: ICU messages by key, in the language of the page. Keys are those of English, which is never incomplete; another language, and what an
// operator replaces, may lack some, and English stands in.
import { IntlMessageFormat } from 'intl-messageformat'
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Messages } from '../../src/pages/views.js'
import de from '../messages/de.json' with { type: 'json' }
import en from '../messages/en.json' with { type: 'json' }

export type MessageKey = keyof typeof en
export type Values = Readonly<Record<string, string | number>>

export interface Text {
  locale: string
  dir: 'ltr' | 'rtl'
  t: (key: MessageKey, values?: Values) => string
  /** A moment, with its zone. */
  time: (iso: string) => string
}

const BUILT_IN: Readonly<Record<string, Messages>> = { en, de }
const RIGHT_TO_LEFT = /^(ar|he|fa|ur|yi|ps|sd|dv)\b/

// of the parser's kinds of parts; its own name for it is in a package that is not ours to import
const LITERAL = '0'

type Parts = ReturnType<IntlMessageFormat['getAst']>

/** The names of what the parts of a message want filled in. */
function namesIn(parts: Parts): string[] {
  return parts.flatMap((part) => [
    ...('value' in part && `${part.type}` !== LITERAL ? [part.value] : []),
    ...('options' in part ? Object.values(part.options).flatMap(({ value }) => namesIn(value)) : []),
  ])
}

function placeholdersOf(message: string, locale: string): Set<string> {
  return new Set(namesIn(new IntlMessageFormat(message, locale, undefined, { ignoreTag: true }).getAst()))
}

/** What is wrong with a text that is to stand in for one of ours; null: nothing. */
function faultOf(key: string, message: unknown, locale: string): string | null {
  const own = (en as Messages)[key]
  if (own === undefined || typeof message !== 'string') return `there is no text ${key}`
  try {
    const given = placeholdersOf(own, 'en')
    return [...placeholdersOf(message, locale)].every((name) => given.has(name)) ? null : `${key} asks for what it is not given`
  } catch {
    return `${key} is no ICU message`
  }
}

/** Texts of an operator, where they fit those that they replace: the same key, the same placeholders, a message that can be read. */
function fitting(locale: string, messages: Messages, warn: (message: string) => void): Messages {
  return Object.fromEntries(Object.entries(messages).filter(([key, message]) => {
    const fault = faultOf(key, message, locale)
    if (fault !== null) warn(`messages/${locale}.json: ${fault}`)
    return fault === null
  }))
}

function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

export interface Texts {
  locales: string[]
  of: (locale: string) => Text
}

/** The languages there are: those built in, with what an operator replaces or adds. */
export function createTexts(overrides: Readonly<Record<string, Messages>>, warn: (message: string) => void): Texts {
  const given = Object.keys(overrides).filter((tag) => !(tag in BUILT_IN))
  for (const tag of given.filter((tag) => !isLocale(tag))) warn(`messages/${tag}.json is named after no language`)
  const added = given.filter(isLocale)
  const locales = [...Object.keys(BUILT_IN), ...added]
  const messagesOf = new Map<string, Messages>(locales.map((tag) => [tag, { ...en, ...BUILT_IN[tag], ...fitting(tag, overrides[tag] ?? {}, warn) }]))
  const made = new Map<string, Text>()

  function make(locale: string): Text {
    const messages = messagesOf.get(locale) ?? en
    const read = new Map<string, IntlMessageFormat>()
    const clock = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
    return {
      locale,
      dir: RIGHT_TO_LEFT.test(locale) ? 'rtl' : 'ltr',
      t(key, values) {
        let format = read.get(key)
        if (!format) read.set(key, format = new IntlMessageFormat(messages[key] ?? en[key], locale, undefined, { ignoreTag: true }))
        return String(format.format(values))
      },
      // in one piece: a line that breaks in the middle of a time is read twice
      time: (iso) => `${clock.format(new Date(iso))} UTC`.replaceAll(/\s/g, '\u00a0'),
    }
  }

  return {
    locales,
    of(locale) {
      let text = made.get(locale)
      if (!text) made.set(locale, text = make(locale))
      return text
    },
  }
}

const TextContext = createContext<Text | null>(null)

export const TextProvider = TextContext.Provider

/** The words of the page that is being written. */
export function useText(): Text {
  const text = useContext(TextContext)
  if (text === null) throw new Error('There is no language around this component')
  return text
}

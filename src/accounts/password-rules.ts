// When a password is too easy to guess (NIST SP 800-63B 5.1.1.2: length first, no composition rules). Pure. Nothing here
// cuts a password short, keeps it, or repeats it in a reason.
import { createRequire } from 'node:module'
import type * as core from '@zxcvbn-ts/core'
import type * as common from '@zxcvbn-ts/language-common'
import { problem } from '../kernel/errors.js'
import { guessDigits, type Keyboard } from './long-password-rules.js'

const LONG_ENOUGH = 12
const LONGEST = 256
const SAFE_SCORE = 3 // "safely unguessable" on zxcvbn's scale of 0 to 4: more than 10^8 guesses

// as many guesses as SAFE_SCORE asks of a shorter one
const FOUND_DIGITS = 8
const FOUND = 'It is made of common words or passwords, your own name or e-mail, the name of this program, repetitions, dates, sequences or neighbouring keys: few guesses would find it'
const PRODUCT = 'gatehouse'

const REASONS: Record<string, string> = {
  dictionary: 'It contains a common word or password, or your own name or e-mail',
  spatial: 'It follows neighbouring keys of the keyboard',
  repeat: 'It repeats characters or parts of itself',
  sequence: 'It contains a sequence such as abc or 6543',
  regex: 'It contains a year',
  date: 'It contains a date',
}

let estimator: core.ZxcvbnFactory | undefined
let known: { ranks: ReadonlyMap<string, number>; keyboard: Keyboard } | undefined

const require = createRequire(import.meta.url)

/** Loaded and built at first need: it is a twentieth of a start, and takes 6 MB. */
function loadEstimator(): core.ZxcvbnFactory {
  const { ZxcvbnFactory } = require('@zxcvbn-ts/core') as typeof core
  const { adjacencyGraphs, dictionary } = require('@zxcvbn-ts/language-common') as typeof common
  return new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs })
}

function loadKnown(): { ranks: ReadonlyMap<string, number>; keyboard: Keyboard } {
  const { adjacencyGraphs, dictionary } = require('@zxcvbn-ts/language-common') as typeof common
  const words = dictionary['diceware-common']
  // a word that is no common password is as good as each other one: several of them are a passphrase
  const ranks = new Map(words.map((word) => [word, words.length]))
  for (const [at, word] of dictionary['passwords-common'].entries()) ranks.set(word, Math.min(at + 1, ranks.get(word) ?? Infinity))
  return { ranks, keyboard: adjacencyGraphs['qwerty'] }
}

const foldOf = (text: string): string => preparePassword(text).toLowerCase()

/** Would few guesses find a long one? */
function isFound(judged: string, ownWords: readonly string[]): boolean {
  known ??= loadKnown()
  const { ranks, keyboard } = known
  const own = new Set(ownWords.map(foldOf))
  return guessDigits(Array.from(foldOf(judged)), (word) => (own.has(word) ? 1 : ranks.get(word)), keyboard) < FOUND_DIGITS
}

/** The form that is hashed: NFKC, so that every keyboard and system types the same password (RFC 8265 4.2 asks for NFC; NFKC follows NIST). */
export function preparePassword(password: string): string {
  return password.normalize('NFKC')
}

/**
 * Why a password is too weak; empty when it is fine: 12 code points or more that are not made of what everybody
 * tries first, or a zxcvbn score of 3; against `userInputs` (e-mail, name) as well; at most 256 code points.
 */
export function weaknessOf(password: string, userInputs: readonly string[]): string[] {
  const length = Array.from(password).length
  if (length > LONGEST) return [`It has more than ${LONGEST} characters`]
  // a lone half of a pair becomes U+FFFD in UTF-8: all such passwords would be one
  if (/\p{Cs}/u.test(password)) return ['It is not valid Unicode text']
  // NFKC may shorten (an accent joins its letter) or lengthen (a ligature becomes its letters): the shorter form is judged
  const prepared = preparePassword(password)
  const judged = Array.from(prepared).length < length ? prepared : password
  const ownWords = [...userInputs, PRODUCT].flatMap((input) => [input, ...input.split(/[^\p{L}\p{N}]+/u)]).filter((part) => part !== '')
  if (Array.from(judged).length >= LONG_ENOUGH) return isFound(judged, ownWords) ? [FOUND] : []
  estimator ??= loadEstimator()
  const { score, sequence } = estimator.check(judged, ownWords)
  if (score >= SAFE_SCORE) return []
  const found = sequence.flatMap(({ pattern }) => REASONS[pattern] ?? [])
  return [`It has fewer than ${LONG_ENOUGH} characters and few guesses would find it`, ...new Set(found)]
}

/** Throws password.weak with the reasons when there are any. */
export function requireStrong(password: string, userInputs: readonly string[]): void {
  const reasons = weaknessOf(password, userInputs)
  if (reasons.length > 0) throw problem('password.weak', { detail: reasons.join('. '), errors: reasons.map((message) => ({ path: '/password', message })) })
}

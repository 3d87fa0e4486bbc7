// How few guesses find a long password (NIST SP 800-63B 5.1.1.2: common and breached ones, repetitions, sequences): what it costs to put it together
// from common words, also in leet and several times over, runs of neighbours in the alphabet or on the keyboard, years, dates, and single characters.
// zxcvbn's estimator says more and takes 0.4 s for 256 characters of its worst input; this one takes a number of steps that grows with the length alone. Pure.

/** Of a word: its place among the common ones, from 1; undefined: it is none. */
export type RankOf = (word: string) => number | undefined
/** The neighbours of a key, each direction in a place of its own. */
export type Keyboard = Readonly<Record<string, readonly (string | null)[]>>

const SHORTEST_PIECE = 3
const LONGEST_WORD = 32
/** decimal digits of guesses: for a character of its own, a run, and a turn in one */
const SINGLE = 1
const RUN = 2.5
const TURN = 0.8
/** a word in leet; the same piece once more, and each time after that */
const LEET = 0.5
const AGAIN = 0.3
/** of this century or the last; a day of one of them, in one of the usual orders */
const YEAR = 2
const DATE = 4.5

/** What is written for a letter; a 1 is an i or an l. */
const LETTERS: Readonly<Record<string, string>> = {
  '0': 'o', '1': 'i', '!': 'i', '|': 'l', '3': 'e', '4': 'a', '@': 'a', '5': 's', $: 's', '7': 't', '+': 't', '8': 'b', '9': 'g', '(': 'c', '2': 'z',
}
const OTHER_LETTERS: Readonly<Record<string, string>> = { ...LETTERS, '1': 'l', '!': 'l' }

const DAY = '(?:0[1-9]|[12]\\d|3[01])'
const MONTH = '(?:0[1-9]|1[0-2])'
const FULL_YEAR = '(?:19|20)\\d\\d'
const IS_YEAR = new RegExp(`^${FULL_YEAR}$`)
const IS_DATE = new RegExp(['\\d\\d', FULL_YEAR].map((year) => `^(?:${DAY}${MONTH}${year}|${MONTH}${DAY}${year}|${year}${MONTH}${DAY})$`).join('|'))

function digitsOfTime(digits: string): number {
  if (digits.length === 4 && IS_YEAR.test(digits)) return YEAR
  return (digits.length === 6 || digits.length === 8) && IS_DATE.test(digits) ? DATE : Infinity
}

/** How long the shortest part is that makes the whole when it is repeated, the last time perhaps cut off (Knuth, Morris, Pratt). */
function periodOf(text: readonly string[]): number {
  const border: number[] = [0]
  for (let at = 1, length = 0; at < text.length; at += 1) {
    while (length > 0 && text[at] !== text[length]) length = border[length - 1] ?? 0
    if (text[at] === text[length]) length += 1
    border[at] = length
  }
  return text.length - (border.at(-1) ?? 0)
}

/** Of each length of a piece and each place: how many characters from there on are the ones that stand that far behind them. */
function likenesses(text: readonly string[]): number[][] {
  return Array.from({ length: LONGEST_WORD + 1 }, (_, length) => {
    const alike = Array.from({ length: text.length }, () => 0)
    for (let at = text.length - 1 - length; at >= 0; at -= 1) if (text[at] === text[at + length]) alike[at] = (alike[at + 1] ?? 0) + 1
    return alike
  })
}

/** The way from one character to the next: the same one, the next or last of its alphabet, or a direction on the keyboard; null: none of them. */
function stepOf(from: string, to: string, keyboard: Keyboard): string | null {
  const apart = (to.codePointAt(0) ?? 0) - (from.codePointAt(0) ?? 0)
  if (Math.abs(apart) <= 1) return `alphabet ${apart}`
  const direction = (keyboard[from] ?? []).findIndex((key) => key?.includes(to))
  return direction === -1 ? null : `keyboard ${direction}`
}

/** Decimal digits of the guesses that find these characters, lower case. At most 256 of them, else it is slow. */
export function guessDigits(whole: readonly string[], rankOf: RankOf, keyboard: Keyboard): number {
  const period = periodOf(whole)
  const text = period <= whole.length / 2 ? whole.slice(0, period) : whole
  const steps = text.map((one, at) => (at === 0 ? null : stepOf(text[at - 1] ?? '', one, keyboard)))
  const best: number[] = [0]
  const relax = (at: number, cost: number): void => void (best[at] = Math.min(best[at] ?? Infinity, cost))

  const digitsOf = (word: string, more: number): number => Math.log10((rankOf(word) ?? Infinity) + 1) + more
  const alike = likenesses(text)
  /** However often a piece comes again right behind itself. */
  function relaxAgain(from: number, to: number, cost: number): void {
    const length = to - from
    const times = Math.floor((alike[length]?.[from] ?? 0) / length)
    for (let time = 1; time <= times; time += 1) relax(to + time * length, cost + time * AGAIN)
  }

  for (let from = 0; from < text.length; from += 1) {
    const before = best[from] ?? Infinity
    relax(from + 1, before + SINGLE)
    let [word, leet, otherLeet] = ['', '', '']
    let turns = 0
    let isRun = true
    let isNumber = true
    for (let to = from + 1; to <= text.length && (isRun || to - from <= LONGEST_WORD); to += 1) {
      const at = to - 1
      const one = text[at] ?? ''
      isNumber &&= one >= '0' && one <= '9'
      if (to - from <= LONGEST_WORD) {
        word += one
        leet += LETTERS[one] ?? one
        otherLeet += OTHER_LETTERS[one] ?? one
      }
      if (at > from) {
        isRun &&= steps[at] !== null
        // a zigzag is no turn: it goes the way it went two keys ago
        if (isRun && at > from + 1 && steps[at] !== steps[at - 1] && (at === from + 2 || steps[at] !== steps[at - 2])) turns += 1
      }
      if (to - from < SHORTEST_PIECE) continue
      if (isRun) relax(to, before + RUN + turns * TURN)
      if (to - from > LONGEST_WORD) continue
      let digits = Math.min(digitsOf(word, 0), isNumber ? digitsOfTime(word) : Infinity)
      if (leet !== word) digits = Math.min(digits, digitsOf(leet, LEET))
      if (otherLeet !== leet) digits = Math.min(digits, digitsOf(otherLeet, LEET))
      relax(to, before + digits)
      relaxAgain(from, to, before + Math.min(digits, (to - from) * SINGLE))
    }
  }
  return (best[text.length] ?? 0) + (text === whole ? 0 : Math.log10(whole.length / period))
}

// How few guesses find a long password (NIST SP 800-63B 5.1.1.2: common and breached ones, repetitions, sequences): what it costs to put it together
// from common passwords, runs of neighbours in the alphabet or on the keyboard, and single characters. zxcvbn's estimator says more and takes 0.4 s for
// 256 characters of its worst input; this one takes a number of steps that grows with the length alone. Pure.

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
  for (let from = 0; from < text.length; from += 1) {
    const before = best[from] ?? Infinity
    relax(from + 1, before + SINGLE)
    let word = ''
    let turns = 0
    let isRun = true
    for (let to = from + 1; to <= text.length && (isRun || to - from <= LONGEST_WORD); to += 1) {
      const at = to - 1
      if (to - from <= LONGEST_WORD) word += text[at] ?? ''
      if (at > from) {
        isRun &&= steps[at] !== null
        // a zigzag is no turn: it goes the way it went two keys ago
        if (isRun && at > from + 1 && steps[at] !== steps[at - 1] && (at === from + 2 || steps[at] !== steps[at - 2])) turns += 1
      }
      if (to - from < SHORTEST_PIECE) continue
      if (isRun) relax(to, before + RUN + turns * TURN)
      const rank = to - from <= LONGEST_WORD ? rankOf(word) : undefined
      if (rank !== undefined) relax(to, before + Math.log10(rank + 1))
    }
  }
  return (best[text.length] ?? 0) + (text === whole ? 0 : Math.log10(whole.length / period))
}

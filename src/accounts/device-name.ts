// What a device is called, from the text that its browser or client sends. Only a help to its owner's memory: anybody can send any text, so
// nothing is decided by it. Pure.

const MOST_SHOWN = 200
const UNSEEN = /[^\p{L}\p{N}\p{P}\p{S} ]|[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

// the first that is found: each browser also names those it descends from
const BROWSERS: [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'], [/\b(?:OPR|Opera)\//, 'Opera'], [/\bSamsungBrowser\//, 'Samsung Internet'], [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS|Chromium)\//, 'Chrome'], [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
]
const SYSTEMS: [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'], [/\biPad\b/, 'iPad'], [/\bAndroid\b/, 'Android'], [/\bCrOS\b/, 'ChromeOS'], [/\bWindows\b/, 'Windows'], [/\bMac OS X\b|\bMacintosh\b/, 'macOS'], [/\bLinux\b/, 'Linux'],
]

const firstOf = (rules: readonly [RegExp, string][], text: string): string | null => rules.find(([pattern]) => pattern.test(text))?.[1] ?? null

/** The text as it is kept and shown: no character that cannot be seen or turns others about, and no more than 200. */
export function shownUserAgent(userAgent: string): string {
  return Array.from(userAgent.replaceAll(UNSEEN, '')).slice(0, MOST_SHOWN).join('').trim()
}

/** "Firefox on Linux", "curl", "Unknown device". */
export function deviceName(userAgent: string): string {
  const browser = firstOf(BROWSERS, userAgent)
  const system = firstOf(SYSTEMS, userAgent)
  if (browser !== null) return system === null ? browser : `${browser} on ${system}`
  const [product] = /^[A-Za-z][\w.-]{0,39}/.exec(userAgent) ?? []
  if (product !== undefined && product !== 'Mozilla') return product
  return system ?? 'Unknown device'
}

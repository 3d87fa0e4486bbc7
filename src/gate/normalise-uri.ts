// What a request target may mean. Servers disagree about `//`, `;`, `%2f`, dot segments, what stands at the end of a name (Windows
// drops dots and spaces there, and `::$DATA`) and which letters are the same, and the one behind the gateway is not known here: so
// a target is turned into every path that a server could take it for, and a request is let through only if it may have each of them. What no honest client sends (NUL, `\`, disguised dots, double encoding) is refused. Pure.

export type Target = { readings: readonly string[] } | { refused: string }

const LONGEST = 8192
// each odd spelling at most doubles the readings; honest targets have one or two
const MOST_READINGS = 16
// a name that ends in a dot or a colon, and NTFS streams, are read in other ways, too
const ODD = /[.:](?:\/|$)|:[:$]/
const PLAIN = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9\-._~!$&'()*+,=:@]+)*\/?$/
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i
const VISIBLE_ASCII = /^[!-~]+$/
const BAD_PERCENT = /%(?![0-9a-f]{2})/i
const ENCODED = /%[0-9a-f]{2}/i
const DOTS = /^\.{1,2}$/
const TAIL = /(?<![.\s:])[.\s:]+$/
// Windows and some routers drop what follows the dots
const DISGUISED_DOTS = /^\.{1,2}(?:\s[.\s]*)?$/

/** Host of a Host header: lower case, without port and final dot; null when it is none. */
export function normaliseHost(host: string): string | null {
  const found = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)\.?(?::\d{0,5})?$/i.exec(host)
  return found?.[1]?.toLowerCase() ?? null
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text) // also refuses UTF-8 that is broken, overlong or half a surrogate pair (RFC 3629 3)
  } catch {
    return null
  }
}

/** Some servers fold letters that look alike before they look at a path: the full-width `．` and `／` become `.` and `/`. */
const plainly = (text: string): string => text.normalize('NFKC')

/**
 * One spelling for all that some server takes for the same: letters in either case, composed or not, with or without their accents,
 * and those that only look like ASCII's (the Kelvin sign, the long s, full-width letters, the dotless i).
 */
export function foldedLetters(text: string): string {
  return text.normalize('NFKD').replace(/[\p{M}\p{Cf}]+/gu, '').toUpperCase().normalize('NFKD').toLowerCase()
}

const slashes = (text: string): number => text.split(/[/\\]/).length

/** Does a segment turn into a dot segment once it is decoded, cut, or rid of its parameters? */
function hidesDots(segment: string): boolean {
  if (DOTS.test(segment)) return false
  return plainly(decode(segment) ?? '').split('/').some((piece) => DISGUISED_DOTS.test(piece.split(/[;?#:]/)[0] ?? ''))
}

/** RFC 3986 5.2.4, on whole segments. */
function withoutDots(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  segments.forEach((segment, at) => {
    const isLast = at === segments.length - 1
    if (segment === '..') kept.pop()
    if (!DOTS.test(segment)) kept.push(segment)
    else if (isLast) kept.push('')
  })
  return `/${kept.join('/')}`
}

const withoutParameters = (path: string): string => path.replace(/;[^/]*/g, '')
const merged = (path: string): string => path.replace(/\/{2,}/g, '/')
const cut = (path: string): string => path.replace(/[?#].*$/s, '')
/** Letters that are written as a letter and its accent are one letter to many servers (NFC). */
const composed = (path: string): string => path.normalize('NFC')
/** NTFS: `name::$DATA` and `name:$I30:$INDEX_ALLOCATION` are `name`. */
const withoutStreams = (path: string): string => path.replace(/:(?:[^/:]*:)?\$[^/]*|::[^/]*/g, '')
/** Dots, spaces and colons at the end of a name, but for dot segments. */
const withoutTails = (path: string): string => path.split('/').map((segment) => (DOTS.test(segment) ? segment : segment.replace(TAIL, ''))).join('/')
const SIGNS = /[^\p{L}\p{M}\p{N}]/gu
/** A reading of its own only where a letter turns into a sign that means something in a path; letters are folded by the rules. */
const withPlainSigns = (path: string): string => path.replace(SIGNS, plainly)

// in the order in which servers do them; merging comes before and after the dots, for both orders are in use
const STEPS = [composed, withPlainSigns, withoutParameters, cut, withoutStreams, withoutTails, merged, withoutDots, merged]

function whyRefused(path: string): string | null {
  if (path.length > LONGEST) return `is longer than ${LONGEST} characters`
  if (!VISIBLE_ASCII.test(path)) return 'holds characters that must be percent-encoded'
  if (path.includes('#')) return 'holds a fragment'
  if (path.includes('\\') || /%5c/i.test(path)) return 'holds a backslash'
  if (BAD_PERCENT.test(path)) return 'holds a % without two hexadecimal digits'
  const decoded = decode(path)
  if (decoded === null) return 'is not UTF-8'
  if (/\p{Cc}/u.test(decoded)) return 'holds a control character'
  if (ENCODED.test(plainly(decoded))) return 'is encoded twice'
  if (slashes(plainly(decoded)) > slashes(decoded)) return 'holds a slash in disguise'
  if (path.split('/').some(hidesDots)) return 'holds a dot segment in disguise'
  return null
}

/**
 * The paths, percent-decoded, that servers may take a request target for; usually one. Query strings play no part. An absolute
 * target (RFC 9112 3.2.2) must name `host`. An encoded slash that is taken for a letter stands as `%2F`.
 */
export function readTarget(target: string, host: string): Target {
  let path = target.split('?', 1)[0] ?? ''
  if (path !== '' && path.length <= LONGEST && PLAIN.test(path) && !ODD.test(path)) return { readings: [path] }
  const absolute = ABSOLUTE.exec(path)
  if (absolute) {
    if (normaliseHost(absolute[1] ?? '') !== host) return { refused: 'names another host than the Host header' }
    path = absolute[2] === '' ? '/' : (absolute[2] ?? '')
  }
  if (!path.startsWith('/')) return { refused: 'is not a path' }
  const refused = whyRefused(path)
  if (refused !== null) return { refused }

  const bare = withoutParameters(path)
  let readings = new Set([path, bare].flatMap((one) => [one, one.replace(/%2f/gi, '%252F')]).map((one) => decode(one) ?? ''))
  for (const step of STEPS) {
    readings = new Set([...readings].flatMap((one) => [one, step(one)]))
    // `//host/path` names a host to every server that resolves it against a base (RFC 3986 4.2)
    if ([...readings].some((one) => one.startsWith('//'))) return { refused: 'begins with //' }
    if (readings.size > MOST_READINGS) return { refused: 'can be read in too many ways' }
  }
  return { readings: [...readings] }
}

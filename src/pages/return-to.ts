// Where a page leads when it is done: a path of this origin, or nowhere. Browsers read `//host`, `/\host` and addresses with tabs or line
// breaks in them as another origin's, so an address is parsed as they parse it, and taken only when that changes nothing. Pure.

// room for an authorization request, whose way back it may be
const MOST_CHARACTERS = 8_000
// an origin that nobody has: whatever leaves it was no path
const HERE = 'http://here.invalid'
// encoded, they are harmless in a browser, and not behind every proxy that decodes before it matches
const ENCODED_SLASH = /%(?:2f|5c)/i

/** The path, query and fragment included, or null for what is not surely a path of this origin. */
export function localPath(text: string): string | null {
  if (text.length > MOST_CHARACTERS || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text)) return null
  if (ENCODED_SLASH.test(text.split(/[?#]/, 1)[0] ?? '') || !URL.canParse(text, HERE)) return null
  const url = new URL(text, HERE)
  // `/..//x` and `/.//x` begin with a single slash, and end as `//x`
  if (url.origin !== HERE || url.pathname.startsWith('//')) return null
  return `${url.pathname}${url.search}${url.hash}` === text ? text : null
}

// Where a browser goes when it has come back: a path of this origin and nothing that a browser could read as another one. Pure.

// as pages have it: an authorization request that is gone back to, encoded once more. The API takes 500
const LONGEST = 12_000
const HERE = 'http://here.invalid'

/** Is this a path here, with or without a query, without a fragment, as a browser would write it itself? */
export function isReturnPath(text: string): boolean {
  // `//host`, `/\host`, `/<tab>/host` and `/.//host` are other hosts to browsers, at once or once the dots are gone
  if (text.length > LONGEST || !/^\/[\x21-\x7e]*$/.test(text) || /^\/[/\\]|[\\#]/.test(text) || !URL.canParse(text, HERE)) return false
  const { origin, pathname, search } = new URL(text, HERE)
  return origin === HERE && `${pathname}${search}` === text
}

/** The path with what came of it added to its query. */
export function withOutcome(path: string, outcome: Readonly<Record<string, string>>): string {
  const url = new URL(path, HERE)
  for (const [name, value] of Object.entries(outcome)) url.searchParams.set(name, value)
  return `${url.pathname}${url.search}`
}

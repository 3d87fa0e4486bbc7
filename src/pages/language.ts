// Which of the languages there are is shown: what the address asks for, what the browser was shown last, what it prefers, what the
// installation says, in this order. Pure.

const MOST_WISHES = 20

/** The languages that Accept-Language names, the dearest first. */
export function acceptedLanguages(header: string): string[] {
  return header.split(',', MOST_WISHES).map((part) => {
    const [tag = '', ...parameters] = part.trim().split(';')
    const quality = parameters.map((one) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(one)?.[1]).find((one) => one !== undefined)
    return { tag: tag.trim(), quality: quality === undefined ? 1 : Number(quality) }
  }).filter(({ tag, quality }) => tag !== '' && quality > 0).toSorted((a, b) => b.quality - a.quality).map(({ tag }) => tag)
}

/** The one of `locales` that fits a wish (RFC 4647 3.4, look-up): `de-AT` is content with `de`. */
function fitting(locales: readonly string[], wish: string): string | undefined {
  for (let tag = wish.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
    const found = locales.find((locale) => locale.toLowerCase() === tag)
    if (found !== undefined) return found
  }
  return undefined
}

/** The first wish that can be met; else `preset`, else the first language there is. */
export function chooseLanguage(locales: readonly string[], wishes: readonly string[], preset: string): string {
  for (const wish of [...wishes.slice(0, MOST_WISHES), preset]) {
    const found = fitting(locales, wish)
    if (found !== undefined) return found
  }
  return locales[0] ?? preset
}

// Language tags (RFC 5646), in the one spelling that is kept. Pure.

const FORM = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i
// RFC 5646 4.4.1: what any useful tag fits into
const LONGEST = 35

/** The canonical spelling of a language tag; null for what is none, or longer than 35 characters. */
export function languageTag(text: string): string | null {
  if (text.length > LONGEST || !FORM.test(text)) return null
  try {
    const [tag = ''] = Intl.getCanonicalLocales(text)
    return tag !== '' && tag.length <= LONGEST ? tag : null
  } catch {
    return null
  }
}

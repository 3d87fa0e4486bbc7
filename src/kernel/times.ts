// Times as text (RFC 3339), as they are taken from outside.

const TIME = /^\d{4}-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i
// the years that PostgreSQL and ISO 8601 write alike, in four digits
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * Is this a time with an offset, of a day that there is, in the years 1 to 9999 once it is UTC? At most nine digits of a second; no
 * leap second, which neither JavaScript nor PostgreSQL has.
 */
export function isTime(text: string): boolean {
  const parts = TIME.exec(text)
  const atMs = parts ? Date.parse(text) : Number.NaN
  if (!parts || !(atMs >= FIRST_MS && atMs <= LAST_MS)) return false
  // JavaScript reads 30 February as 2 March
  const midnight = new Date(`${text.slice(0, 10)}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.getUTCMonth() + 1 === Number(parts[1]) && midnight.getUTCDate() === Number(parts[2])
}

// Decimal numbers against what JavaScript makes of them.

const PARTS = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** Sign, significant digits and power of ten: one spelling of each decimal number. */
function normalised(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = PARTS.exec(text) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/**
 * Does JavaScript keep a number of JSON as it is meant? Integers up to 2^53 - 1; of larger ones those whose decimal spelling comes
 * back (6.02e23); fractions to the precision of a double. Nothing that becomes infinite, or nought without being it.
 */
export function isExactNumber(token: string): boolean {
  const isInteger = !/[.eE]/.test(token)
  if (isInteger && token.length < 16) return true
  const value = Number(token)
  if (isInteger) return Number.isSafeInteger(value)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/^[^eE]*[1-9]/.test(token)
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER || normalised(token) === normalised(String(value))
}

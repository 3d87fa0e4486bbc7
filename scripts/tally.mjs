// Reads the totals of a tap run. tap's own line counts what really ran; its other reporters count files as tests.

/** The totals in TAP output: its last line of the form `# { total: 5, pass: 4, fail: 1 }`, or null. */
export function totalsOf(output) {
  const line = output.match(/^# \{ total: .*\}$/gm)?.at(-1)
  if (!line) return null
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0)
  return { total: count('total'), passed: count('pass'), failed: count('fail'), skipped: count('skip'), todo: count('todo') }
}

/** `N passed, N failed`, with `, N skipped` when some were. */
export function tallyLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

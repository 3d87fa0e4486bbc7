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

/**
 * What failed in TAP output, for the end of a long one: each failed assertion with where it stands (file > test > assertion) and the
 * first lines of its details. At most 20.
 */
export function failuresOf(output) {
  const lines = output.split('\n')
  const failed = []
  // in TAP the name of a test follows its own lines: from the end upwards, the names above a line are those that enclose it
  const names = []
  for (let index = lines.length - 1; index >= 0; index -= 1) {
    const match = /^( *)(not )?ok \d+ - (.*)$/.exec(lines[index])
    if (!match) continue
    const depth = match[1].length / 4
    names.length = Math.min(names.length, depth)
    names[depth] = match[3].replace(/ # time=.*/, '')
    const encloses = new RegExp(`^ {${(depth + 1) * 4}}1\\.\\.\\d+`, 'm').test(lines.slice(Math.max(0, index - 6), index).join('\n'))
    if (!match[2] || encloses) continue
    const details = lines.slice(index + 1, index + 30)
    const end = details.findIndex((line) => line.trim() === '...')
    failed.unshift([names.filter(Boolean).join(' > '), ...details.slice(0, end === -1 ? 12 : Math.min(end, 24)).map((line) => line.slice(match[1].length))])
  }
  return failed.slice(0, 20)
}

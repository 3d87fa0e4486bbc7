// The model of the decision's rules, explored to the last state where Spin is installed (npm run model does the same).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../support/sources.js'

const missing = ['spin', 'gcc'].filter((program) => spawnSync(program, ['--version']).error !== undefined)

t.test('no order of events admits a revoked credential late, and each rule is needed', { skip: missing.length > 0 && `not installed: ${missing.join(', ')}`, timeout: 180_000 }, async (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/model.mjs')], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const lines = stdout.trim().split('\n')
  t.match(lines[0], /^all rules: 0 errors in \d{4,} states$/)
  for (const removed of ['NOGUARD', 'NOLEASE', 'POLLEND', 'NOAGE']) t.ok(lines.some((line) => line.startsWith(`${removed}: 1 errors`)), removed)
})

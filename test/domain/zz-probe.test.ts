import t from 'tap'
import { emptyFolder, launch, build } from '../support/program.js'
import { readConfig } from '../../src/config.js'
t.test('probe', async (t) => {
  readConfig({})
  build()
  process.env['NODE_V8_COVERAGE'] = '/work/main/.tap/coverage'
  const p = launch(t, emptyFolder(t))
  delete process.env['NODE_V8_COVERAGE']
  await p.listening
  p.child.kill('SIGTERM')
  t.equal((await p.exit).code, 0)
})

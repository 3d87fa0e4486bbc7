// Which errors mean that the database is away, and which only look like it.
import t from 'tap'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { isDatabaseUnavailable } from '../../src/database/failures.js'

t.test('a file that is missing is no database that is away', async (t) => {
  t.throws(() => readdirSync('/nowhere/at/all'), { code: 'ENOENT' })
  try {
    readdirSync('/nowhere/at/all')
  } catch (error) {
    t.notOk(isDatabaseUnavailable(error))
  }
})

t.test('a socket of a database that is missing is one', async (t) => {
  const error = await new Promise((resolve) => void connect('/nowhere/at/all.sock').on('error', resolve))
  t.match(error, { code: 'ENOENT' })
  t.ok(isDatabaseUnavailable(error))
  t.ok(isDatabaseUnavailable(new Error('around it', { cause: error })))
})

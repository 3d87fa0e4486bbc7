// The refresh token's form and the judgement of one, without a database.
import t from 'tap'
import fc from 'fast-check'
import { newId } from '../../src/kernel/ids.js'
import { createSecrets } from '../../src/kernel/secrets.js'
import { formatRefreshToken, isGenuine, judgeRefresh, parseRefreshToken, RETRY_WINDOW_MS } from '../../src/sessions/refresh-token.js'

const secrets = createSecrets('a secret of the tests, 32 characters or more')
const seed = Buffer.alloc(32, 7)
const SESSION = '0192f0c1-2b6a-7c3d-9e4f-5a6b7c8d9e0f'

function parsed(text: string) {
  const token = parseRefreshToken(text)
  if (!token) throw new Error(`${text} was not understood`)
  return token
}

t.test('form', async (t) => {
  t.test('what was made is understood, for every id and generation', async (t) => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (generation, anySeed) => {
      const sessionId = newId()
      const token = parsed(formatRefreshToken(secrets, { sessionId, seed: anySeed, generation }))
      return token.sessionId === sessionId && token.generation === generation && isGenuine(secrets, anySeed, token)
    }))
    t.match(formatRefreshToken(secrets, { sessionId: SESSION, seed, generation: 3 }), /^gr_[\w-]{70}$/)
  })

  t.test('the same session and generation give the same token, another generation another one', async (t) => {
    const [four, again, five] = [4, 4, 5].map((generation) => formatRefreshToken(secrets, { sessionId: SESSION, seed, generation }))
    t.equal(four, again)
    t.not(four, five)
  })

  t.test('what has another form is no token', async (t) => {
    const good = formatRefreshToken(secrets, { sessionId: SESSION, seed, generation: 0 })
    const last = good.at(-1) ?? ''
    const respelled = `${good.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}` // differs in spare bits only
    for (const text of ['', 'gr_', good.slice(1), good.slice(0, -1), `${good}A`, `${good}\n`, ` ${good}`, good.replace('gr_', 'gk_'), good.replace(/.$/, '='), respelled]) {
      t.equal(parseRefreshToken(text), null, JSON.stringify(text))
    }
  })
})

t.test('genuineness', async (t) => {
  const good = parsed(formatRefreshToken(secrets, { sessionId: SESSION, seed, generation: 2 }))
  t.ok(isGenuine(secrets, seed, good))
  t.notOk(isGenuine(secrets, Buffer.alloc(32, 8), good), 'not with another session\'s seed')
  t.notOk(isGenuine(secrets, seed, { ...good, generation: 3 }), 'not for another generation')
  t.notOk(isGenuine(createSecrets('another secret, as long as it has to be!!'), seed, good), 'not under another GATEHOUSE_SECRET')
  const data = Buffer.concat([seed, Buffer.from([0, 0, 0, 2])])
  t.ok(secrets.isMac('refresh-token', data, good.mac), 'signed as a refresh token')
  t.notOk(isGenuine(secrets, seed, { ...good, mac: secrets.mac('', data) }), 'and nothing that is signed for another purpose is one')
  for (let bit = 0; bit < 256; bit += 37) {
    const mac = Buffer.from(good.mac)
    mac.writeUInt8(mac.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    t.notOk(isGenuine(secrets, seed, { ...good, mac }), `not with bit ${bit} turned`)
  }
})

t.test('judgement', async (t) => {
  const now = Date.UTC(2031, 0, 1)
  const cases: [string, number, { generation: number; refreshedAgoMs: number | null }, string][] = [
    ['the first token of a session rotates', 0, { generation: 0, refreshedAgoMs: null }, 'rotate'],
    ['the newest token rotates, however old it is', 5, { generation: 5, refreshedAgoMs: 86_400_000 }, 'rotate'],
    ['the one before it is repeated at once', 4, { generation: 5, refreshedAgoMs: 0 }, 'repeat'],
    ['and up to the end of the window', 4, { generation: 5, refreshedAgoMs: RETRY_WINDOW_MS }, 'repeat'],
    ['and by a node whose clock is behind', 4, { generation: 5, refreshedAgoMs: -50 }, 'repeat'],
    ['later it is reuse', 4, { generation: 5, refreshedAgoMs: RETRY_WINDOW_MS + 1 }, 'reuse'],
    ['one whose successor has been used is reuse', 3, { generation: 5, refreshedAgoMs: 0 }, 'reuse'],
    ['one before a token that nobody asked for is reuse', 4, { generation: 5, refreshedAgoMs: null }, 'reuse'],
    ['one of the future, after the database was set back, is reuse', 6, { generation: 5, refreshedAgoMs: 0 }, 'reuse'],
  ]
  for (const [title, generation, session, verdict] of cases) {
    const refreshedAt = session.refreshedAgoMs === null ? null : new Date(now - session.refreshedAgoMs)
    t.equal(judgeRefresh({ sessionId: SESSION, generation, mac: Buffer.alloc(32) }, { generation: session.generation, refreshedAt }, now), verdict, title)
  }
  t.equal(RETRY_WINDOW_MS, 10_000, 'the window is 10 s')
})

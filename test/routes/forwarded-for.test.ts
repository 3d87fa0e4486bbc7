// Behind a trusted proxy: however an address is written in X-Forwarded-For, it is one client with one budget.
import t from 'tap'
import { startApp } from '../support/app.js'

const MAX = 60

/** All the ways to write one address that proxies and strangers have been seen to use. */
const SPELLINGS: Record<string, string[]> = {
  '203.0.113.9': [
    '203.0.113.9', '203.0.113.9:1', '203.0.113.9:65535', '203.0.113.9:_port', '203.000.113.009', '203.0.113.09:80', '"203.0.113.9"', '"203.0.113.9:4711"', ' 203.0.113.9 ', '203.0.113.9,', ',203.0.113.9, ,',
    '::ffff:203.0.113.9', '[::ffff:203.0.113.9]', '[::FFFF:203.0.113.9]:443', '::ffff:cb00:7109', '"[::ffff:cb00:7109]:443"', '198.51.100.1, 203.0.113.9', 'garbage, 203.0.113.9:5', '203.0.113.9, 127.0.0.1', '203.0.113.9:80, 127.0.0.1:81',
  ],
  '2001:db8:1:2::3': [
    '2001:db8:1:2::3', '[2001:db8:1:2::3]', '[2001:db8:1:2::3]:443', '[2001:db8:1:2::3]:_x', '2001:0DB8:0001:0002:0000:0000:0000:0003', '"[2001:DB8:1:2::3]:1"', '2001:db8:1:2::3%eth0', '[2001:db8:1:2:0:0:0:3%25]', '2001:db8:1:2:ffff::4', '2001:db8:1:ff::',
  ],
  // what is no address says nothing: the proxy is who is known
  'the proxy': ['garbage', 'unknown', '_hidden', '203.0.113.9:', '203.0.113.9:99999999', '203.0.113', '0xcb.0.113.9', '203.0.113.256', '[2001:db8::1', '2001:db8::1]:80', '[203.0.113.9]x', '3405803785', '203.0.113.9 203.0.113.10', 'x'.repeat(5_000), '"', '[]', ':', '%'],
}

t.test('no spelling of an address has a budget of its own on a public route', async (t) => {
  const { app } = await startApp(t, { config: { trustedProxies: ['127.0.0.1'] } })
  const ask = async (forwardedFor: string, remoteAddress = '127.0.0.1'): Promise<number> => {
    // an empty body: counted before it is read
    const { statusCode } = await app.inject({ method: 'POST', url: '/api/v1/auth/password/reset', remoteAddress, headers: { 'x-forwarded-for': forwardedFor }, payload: {} })
    return statusCode
  }
  for (const [address, spellings] of Object.entries(SPELLINGS)) {
    let passed = 0
    for (let n = 0; n < MAX; n += 1) passed += Number((await ask(spellings[n % spellings.length] ?? '')) === 400)
    t.equal(passed, MAX, `${address}: its budget`)
    for (const one of spellings) t.equal(await ask(one), 429, `${address} as ${one.slice(0, 60)}`)
  }
  t.equal(await ask('203.0.113.10'), 400, 'another address has its own')
  t.equal(await ask('2001:db8:1:100::3'), 400, 'and another household')
  t.equal(await ask('203.0.113.10', '192.0.2.7'), 400)
  for (let n = 0; n < MAX; n += 1) await ask(`198.51.100.${n}`, '192.0.2.7')
  t.equal(await ask('198.51.100.200', '192.0.2.7'), 429, 'of an address that is no trusted proxy\'s nothing is believed')
})

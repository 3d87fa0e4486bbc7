// Whoever has others asked that never answer, by slow names, by many names or by servers that hang, keeps nobody else's from being asked: providers that people sign in by, endpoints
// that somebody stored, and what strangers name each have a way of their own.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import packet from 'dns-packet'
import t, { type Test } from 'tap'
import { createOutbound, type Lookup, type Outbound, OutboundError, type Way } from '../../src/outbound/index.js'
import { eventually } from '../support/redis.js'
import { createDnsLookup, createNameLookup } from '../../src/outbound/name-lookup.js'

const HERE = [{ address: '127.0.0.1', family: 4 }]
const never = new Promise<never>(() => undefined)
const WAYS: readonly Way[] = ['providers', 'endpoints', 'organizations', 'strangers']

async function serve(t: Test, hang: () => void = () => undefined): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/hang') hang()
    else response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function asking(t: Test, lookup: Lookup, dns: Lookup = lookup): Outbound {
  const { outbound, close } = createOutbound({ config: { outboundAllow: ['127.0.0.0/8'], outboundAllowOrganizations: ['127.0.0.0/8'] }, lookup, dns })
  t.teardown(close)
  return outbound
}

const outcome = async (work: Promise<Response>): Promise<string> => {
  try {
    return String((await work).status)
  } catch (error) {
    if (error instanceof OutboundError) return error.reason
    throw error
  }
}

t.test('names that are never found, of the DNS or of the system', async (t) => {
  const port = await serve(t)
  for (const where of ['dns', 'system'] as const) {
    const slow: Lookup = async (name) => (name.endsWith('.slow.example') ? never : HERE)
    const quick: Lookup = async (name) => (where === 'system' && name.endsWith('.slow.example') ? [] : HERE)
    const outbound = asking(t, slow, where === 'dns' ? slow : quick)
    for (const way of ['endpoints', 'strangers'] as const) {
      const hanging = Array.from({ length: 20 }, (_, n) => outcome(outbound.fetch(`http://${way}-${n}.slow.example:${port}/`, { way, timeoutMs: 3_000 })))
      t.equal(await outcome(outbound.fetch(`http://idp-${way}.example:${port}/`, { way: 'providers', timeoutMs: 2_000 })), '200', `${where}: providers, while ${way} hang`)
      const other = way === 'endpoints' ? 'strangers' : 'endpoints'
      t.equal(await outcome(outbound.fetch(`http://other-${way}.example:${port}/`, { way: other, timeoutMs: 2_000 })), '200', `${where}: ${other}, while ${way} hang`)
      t.equal(await outcome(outbound.fetch(`http://same-${way}.example:${port}/`, { way, timeoutMs: 2_000 })), '200', `${where}: others of ${way}`)
      t.same(new Set(await Promise.all(hanging)), new Set(['late']))
    }
  }
})

t.test('one provider whose name is never found takes one place, however many sign in by it', async (t) => {
  const port = await serve(t)
  const outbound = asking(t, async (name) => (name === 'gone.example' ? never : HERE))
  const hanging = Array.from({ length: 30 }, (_, n) => outcome(outbound.fetch(`http://gone.example:${port}/${n}`, { way: 'providers', timeoutMs: 1_000 })))
  t.equal(await outcome(outbound.fetch(`http://idp.example:${port}/`, { way: 'providers', timeoutMs: 900 })), '200')
  t.same(new Set(await Promise.all(hanging)), new Set(['late']))
})

t.test('as many servers as may be asked, that hang', async (t) => {
  for (const way of ['endpoints', 'strangers'] as const) {
    let asked = 0
    const port = await serve(t, () => void (asked += 1))
    const outbound = asking(t, async () => HERE)
    const hanging: Promise<string>[] = []
    while (hanging.length < 200) {
      const so = hanging.length
      hanging.push(...Array.from({ length: 50 }, (_, n) => outcome(outbound.fetch(`http://h${so + n}.example:${port}/hang`, { way, timeoutMs: 8_000 }))))
      await eventually(() => asked === hanging.length, 8_000)
    }
    t.equal(await outcome(outbound.fetch(`http://one-more.example:${port}/hang`, { way, timeoutMs: 100 })), 'unreachable', 'of the same there are no more')
    for (const other of WAYS.filter((one) => one !== way)) t.equal(await outcome(outbound.fetch(`http://idp.example:${port}/`, { way: other, timeoutMs: 1_500 })), '200', `${other}, while ${way} hang`)
    await Promise.all(hanging)
  }
})

t.test('where nothing inside may be asked, what the DNS has not is not looked for by the system', async (t) => {
  const asked: string[] = []
  const system: Lookup = async (name) => {
    asked.push(name)
    return HERE
  }
  const find = createNameLookup({ system, dns: async () => [] })
  const look = (name: string, way: Way, hasInside: boolean): Promise<unknown> => find(name, { way, hasInside })
  t.same([await look('a.example', 'endpoints', false), await look('b.example', 'strangers', false), await look('o.example', 'organizations', false), await look('c.example', 'providers', false)], [[], [], [], HERE])
  t.same([await look('d', 'endpoints', true), await look('e', 'strangers', true)], [HERE, HERE])
  t.same(asked, ['c.example', 'd', 'e'])
})

t.test('the DNS: addresses of both families, none where there are none, a failure where nobody can say', async (t) => {
  const zone: Record<string, { A?: string[]; AAAA?: string[]; code?: number }> = {
    'both.example': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] }, 'four.example': { A: ['192.0.2.3'] }, 'empty.example': {}, 'failing.example': { code: 2 }, 'gone.example': { code: 3 },
  }
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => void socket.close())
  socket.on('message', (message, { port, address }) => {
    const { id = 0, questions = [] } = packet.decode(message)
    const [{ name, type } = { name: '', type: 'A' as const }] = questions
    const { code = 0, ...records } = zone[name] ?? { code: 3 }
    const answers = (type === 'A' || type === 'AAAA' ? (records[type] ?? []) : []).map((data) => ({ type, name, ttl: 0, data }) as packet.Answer)
    socket.send(packet.encode({ type: 'response', id, flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | code, questions, answers }), port, address)
  })
  const look = createDnsLookup([`127.0.0.1:${socket.address().port}`])
  t.same(await look('both.example'), [{ address: '192.0.2.1', family: 4 }, { address: '192.0.2.2', family: 4 }, { address: '2001:db8::1', family: 6 }])
  t.same([await look('four.example'), await look('empty.example'), await look('gone.example')], [[{ address: '192.0.2.3', family: 4 }], [], []])
  await t.rejects(look('failing.example'))
})

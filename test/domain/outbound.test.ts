// Asking others: the connection goes to the address that was judged, once, and what comes back is bounded in time, size and kind.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createOutbound, type Lookup, OutboundError, type OutboundRequest } from '../../src/outbound/index.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve(t: Test, answer: Answer): Promise<{ port: number; server: Server; asked: () => number }> {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port, asked: () => asked }
}

function asking(t: Test, lookup: Lookup = async () => [{ address: '127.0.0.1', family: 4 }], outboundAllow = ['127.0.0.0/8']) {
  const { outbound, close } = createOutbound({ config: { outboundAllow }, lookup })
  t.teardown(close)
  return outbound
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'answered'
  } catch (error) {
    if (error instanceof OutboundError) return error.reason
    throw error
  }
}

const json: Answer = (_request, response) => void response.setHeader('content-type', 'application/json; charset=utf-8').end('{"a":1}')

t.test('a name is resolved once, and the connection goes to what was judged', async (t) => {
  const { port, asked } = await serve(t, json)
  let looked = 0
  // the second answer is what a rebinding name would give to whoever resolves again
  const outbound = asking(t, async () => [{ address: (looked += 1) === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }])
  const answer = await outbound.fetch(`http://idp.example:${port}/`, { accept: ['application/json'] })
  t.same([answer.status, await answer.json(), looked, asked()], [200, { a: 1 }, 1, 1])
})

t.test('a name that has turned to a forbidden address is refused at its next connection', async (t) => {
  const { port, server, asked } = await serve(t, (request, response) => void response.setHeader('connection', 'close').end(request.url))
  let address = '127.0.0.1'
  const outbound = asking(t, async () => [{ address, family: 4 }], ['127.0.0.1'])
  t.equal((await outbound.fetch(`http://idp.example:${port}/1`)).status, 200)
  address = '127.0.0.2'
  t.equal(await failure(outbound.fetch(`http://idp.example:${port}/2`)), 'refused')
  t.equal(asked(), 1)
  t.ok(server.listening)
})

t.test('redirects are not followed', async (t) => {
  const inner = await serve(t, json)
  for (const status of [301, 302, 303, 307, 308]) {
    const { port } = await serve(t, (_request, response) => void response.writeHead(status, { location: `http://127.0.0.1:${inner.port}/` }).end())
    t.equal(await failure(asking(t).fetch(`http://idp.example:${port}/`)), 'redirected', String(status))
  }
  t.equal(inner.asked(), 0)
})

t.test('an answer has a size, as sent and as it unfolds', async (t) => {
  const bomb = Buffer.alloc(20 * 1024 * 1024)
  // packed before anybody waits for it
  const [gzip, deflate, brotli] = [gzipSync(bomb), deflateSync(bomb), brotliCompressSync(bomb)]
  const cases: [string, Answer, string][] = [
    ['declared', (_request, response) => void response.writeHead(200, { 'content-length': 10_000_000 }).write('x'), 'too_large'],
    ['chunked without end', (_request, response) => {
      const more = (): void => { while (!response.destroyed && response.write(Buffer.alloc(65_536)));  }
      response.on('drain', more)
      more()
    }, 'too_large'],
    ['gzip', (_request, response) => void response.setHeader('content-encoding', 'gzip').end(gzip), 'too_large'],
    ['deflate', (_request, response) => void response.setHeader('content-encoding', 'deflate').end(deflate), 'too_large'],
    ['brotli', (_request, response) => void response.setHeader('content-encoding', 'br').end(brotli), 'too_large'],
    ['gzip in gzip', (_request, response) => void response.setHeader('content-encoding', 'gzip, gzip').end(gzipSync(gzip)), 'unreadable'],
    ['no gzip', (_request, response) => void response.setHeader('content-encoding', 'gzip').end('plain'), 'unreadable'],
    ['headers', (_request, response) => void response.setHeader('x-long', 'x'.repeat(20_000)).end(), 'unreachable'],
  ]
  for (const [name, answer, expected] of cases) {
    const { port } = await serve(t, answer)
    t.equal(await failure(asking(t).fetch(`http://idp.example:${port}/`, { mostBytes: 64 * 1024 })), expected, name)
  }
  const { port } = await serve(t, (_request, response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync('{"small":true}')))
  t.same(await (await asking(t).fetch(`http://idp.example:${port}/`)).json(), { small: true })
})

t.test('an answer has a time: to resolve, to connect, to begin, to go on', async (t) => {
  const quick: OutboundRequest = { timeoutMs: 150 }
  const never = new Promise<never>(() => undefined)
  const silent = await serve(t, () => undefined)
  t.equal(await failure(asking(t, () => never).fetch('http://idp.example/', quick)), 'late', 'a name that is never found')
  t.equal(await failure(asking(t).fetch(`http://idp.example:${silent.port}/`, quick)), 'late', 'no head')
  const slow = await serve(t, (_request, response) => void response.write('x'))
  t.equal(await failure(asking(t).fetch(`http://idp.example:${slow.port}/`, quick)), 'late', 'a body that does not end')
})

t.test('what is not there, breaks off or speaks otherwise is one failure', async (t) => {
  const broken = await serve(t, (_request, response) => void response.destroy())
  const gone = await serve(t, json)
  gone.server.close()
  const outbound = asking(t, async (name) => {
    if (name === 'nowhere.example') throw new Error('ENOTFOUND')
    return name === 'empty.example' ? [] : [{ address: '127.0.0.1', family: 4 }]
  })
  for (const url of [`http://idp.example:${broken.port}/`, `http://idp.example:${gone.port}/`, 'http://nowhere.example/', 'http://empty.example/', `https://idp.example:${broken.port}/`]) {
    t.equal(await failure(outbound.fetch(url)), 'unreachable', url)
  }
  const html = await serve(t, (_request, response) => void response.setHeader('content-type', 'text/html').end('<p>'))
  t.equal(await failure(outbound.fetch(`http://idp.example:${html.port}/`, { accept: ['application/json'] })), 'unreadable')
})

t.test('plain http goes only where the operator allowed it', async (t) => {
  t.equal(await failure(asking(t, async () => [{ address: '8.8.8.8', family: 4 }]).fetch('http://idp.example/', { timeoutMs: 200 })), 'refused')
})

t.test('errors are answers, requests carry what they should, and the numbers count', async (t) => {
  const { port } = await serve(t, (request, response) => {
    const body: Buffer[] = []
    request.on('data', (part: Buffer) => body.push(part)).on('end', () => {
      response.writeHead(400, { 'content-type': 'application/json', 'set-cookie': 'a=b' })
      response.end(JSON.stringify({ method: request.method, host: request.headers.host, sent: Buffer.concat(body).toString() }))
    })
  })
  const { outbound, metrics, close } = createOutbound({ config: { outboundAllow: ['127.0.0.1'] }, lookup: async () => [{ address: '127.0.0.1', family: 4 }] })
  t.teardown(close)
  const answer = await outbound.fetch(`http://idp.example:${port}/token`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'hello', accept: ['application/json'] })
  t.equal(answer.status, 400)
  t.equal(answer.headers.get('set-cookie'), null, 'cookies of others are nobody\'s')
  t.same(await answer.json(), { method: 'POST', host: `idp.example:${port}`, sent: 'hello' }, 'the name is told, though the address is asked')
  await failure(outbound.fetch('https://127.1/'))
  t.same(metrics.flatMap(({ read }) => [...read() as Iterable<unknown>]), [[{ outcome: 'answered' }, 1], [{ outcome: 'refused' }, 1]])
})

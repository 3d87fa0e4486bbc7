// Connections that are opened and not used, in the hundreds: they end, and keep nobody else out.
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t from 'tap'
import { guardSockets } from '../../src/sockets/socket-guard.js'
import { startApp } from '../support/app.js'
import { fakeClock } from '../support/clock.js'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Opens idle connections from one address; those that the server ends count as ended. */
async function open(port: number, localAddress: string, count: number, text = ''): Promise<{ sockets: Socket[]; ended: () => number; close: () => void }> {
  let ended = 0
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', localAddress }))
  for (const socket of sockets) {
    socket.on('error', () => undefined)
    socket.on('close', () => void (ended += 1))
    if (text !== '') socket.write(text)
  }
  await Promise.all(sockets.map(async (socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
  return { sockets, ended: () => ended, close: () => sockets.forEach((socket) => socket.destroy()) }
}

async function ask(port: number, localAddress: string, path = '/livez'): Promise<number> {
  const request = get({ port, host: '127.0.0.1', localAddress, path, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await turn()
}

t.test('the server', async (t) => {
  let release: () => void = () => undefined
  const { app } = await startApp(t, {
    config: { connectionsMax: 60, connectionsPerAddress: 25 },
    extend: (app) => void app.get('/held', { config: { access: ['public'] }, schema: { response: { 200: { type: 'string' } } } }, async () => new Promise<string>((resolve) => {
      release = () => resolve('held')
    })),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo

  t.test('idle connections of one address past its share are ended, and another address is answered', async (t) => {
    for (const text of ['', 'GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ']) {
      const idle = await open(port, '127.0.0.2', 200, text)
      t.equal(await ask(port, '127.0.0.3'), 200)
      await until(() => idle.ended() >= 175)
      t.equal(idle.ended(), 175, 'the share stays')
      idle.close()
      await until(() => idle.ended() === 200)
    }
  })

  t.test('when all places are taken, idle ones of the biggest holder make room; what is being answered goes on', async (t) => {
    const held = ask(port, '127.0.0.2', '/held')
    await turn()
    const floods = [await open(port, '127.0.0.2', 24), await open(port, '127.0.0.4', 25), await open(port, '127.0.0.5', 25)]
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(port, '127.0.0.3')))
    t.same(answers, [200, 200, 200, 200, 200])
    await until(() => floods.reduce((sum, { ended }) => sum + ended(), 0) >= 15)
    release()
    t.equal(await held, 200)
    for (const { close } of floods) close()
  })
})

t.test('the server in a flood', { timeout: 120_000 }, async (t) => {
  const { app } = await startApp(t, { config: { connectionsMax: 3_000 } })
  const { connectionsPerAddress } = app.config
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  /** Idle connections, no more at a time than the system lets wait to be accepted; another address asks after each lot. */
  const flood = async (localAddress: string, count: number) => {
    const lots: Awaited<ReturnType<typeof open>>[] = []
    const answers = new Map<number, number>()
    for (let left = count; left > 0; left -= 400) {
      lots.push(await open(port, localAddress, Math.min(400, left)))
      const status = await ask(port, '127.0.0.3')
      answers.set(status, (answers.get(status) ?? 0) + 1)
    }
    return { answers, ended: () => lots.reduce((sum, one) => sum + one.ended(), 0), close: () => lots.forEach((one) => one.close()) }
  }

  await t.test('ten thousand idle connections of one address: no more than its share is held, and another address is answered all the while', async (t) => {
    const idle = await flood('127.0.0.2', 10_000)
    t.same([...idle.answers], [[200, 25]])
    // more, when they took so long that the first are over by themselves
    await until(() => idle.ended() >= 10_000 - connectionsPerAddress)
    idle.close()
    await until(() => idle.ended() === 10_000)
  })

  await t.test('idle connections of eight addresses take every place: a ninth is answered', async (t) => {
    const floods: Awaited<ReturnType<typeof flood>>[] = []
    for (let at = 1; at <= 8; at += 1) floods.push(await flood(`127.0.1.${at}`, 400))
    t.same(floods.map(({ answers }) => [...answers]), floods.map(() => [[200, 1]]))
    await until(() => floods.reduce((sum, { ended }) => sum + ended(), 0) >= 200)
    for (const { close } of floods) close()
  })
})

t.test('the guard', async (t) => {
  const clock = fakeClock()
  let tick: () => void = () => undefined
  const server = createServer((_request, response) => response.end('ok'))
  const guard = guardSockets(server, {
    max: 1_000, maxEach: 5, isTrusted: (address) => address === '127.0.0.9', clock,
    every: (_ms, work) => {
      tick = work
      return () => undefined
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.close())

  t.test('a trusted proxy may hold more than an address', async (t) => {
    const proxied = await open(port, '127.0.0.9', 40)
    await until(() => guard.counts().all === 40)
    t.same(guard.counts(), { all: 40, biggest: 0 })
    t.equal(proxied.ended(), 0)
    proxied.close()
    await until(() => guard.counts().all === 0)
  })

  t.test('who says nothing for ten seconds is gone, and who has spoken is not', async (t) => {
    const [silent, speaking] = [await open(port, '127.0.0.2', 3), await open(port, '127.0.0.3', 2, 'GET /')]
    await until(() => guard.counts().all === 5)
    clock.advance(9_999)
    tick()
    await turn()
    t.equal(silent.ended(), 0)
    clock.advance(1)
    tick()
    await until(() => silent.ended() === 3)
    t.equal(speaking.ended(), 0, 'slow headers have a time-out of their own')
    t.same(guard.counts(), { all: 2, biggest: 2 })
    speaking.close()
  })

  t.test('places that were given up are counted as free', async (t) => {
    for (let round = 0; round < 4; round += 1) {
      const five = await open(port, '127.0.0.6', 5)
      t.equal(await ask(port, '127.0.0.7'), 200)
      t.equal(five.ended(), 0)
      five.close()
      await until(() => guard.counts().all === 0)
    }
  })
})

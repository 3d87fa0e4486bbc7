// What a node says while it leaves; test/flows/process.test.ts replaces one under load.
import { connect } from 'node:net'
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

t.test('a node that leaves is not ready, lives, answers, and ends each connection with its answer', async (t) => {
  const { app, as } = await startApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = await as.admin() // after listening: the port is part of what a token is for
  const address = app.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const ask = (path: string): Promise<string> => new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${headers.authorization}\r\n\r\n`))
    const done = (): void => {
      socket.destroy()
      resolve(text)
    }
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (/content-length: \d+/i.test(text) && text.includes('}') && /connection: keep-alive/i.test(text)) done()
    }).on('close', () => resolve(`${text}\nclosed`))
  })
  t.match(await ask('/readyz'), /^HTTP\/1\.1 200 .*keep-alive/s)
  app.answers.drain()
  t.match(await ask('/readyz'), /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*\{"status":"draining","checks":\{\}\}\nclosed$/is)
  t.match(await ask('/livez'), /^HTTP\/1\.1 200 .*\r\nconnection: close\r\n.*closed$/is)
  t.match(await ask('/api/v1/me'), /^HTTP\/1\.1 200 .*\r\nconnection: close\r\n.*admin@example\.com.*closed$/is)
  t.match(await ask('/nowhere'), /^HTTP\/1\.1 404 .*\r\nconnection: close\r\n.*closed$/is)
  t.match(expectJson<object>(await app.inject({ url: '/readyz' }), 503), { status: 'draining' })
})

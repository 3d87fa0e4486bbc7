// Schemas are compiled when they are needed, and all of them soon after the start.
import Fastify from 'fastify'
import t from 'tap'
import lazySchemas from '../../plugins/http/lazy-schemas.js'
import validation from '../../plugins/http/validation.js'
import { startApp } from '../support/app.js'

t.test('every schema of every route compiles', async (t) => {
  const { app } = await startApp(t)
  await app.compileSchemas()
})

t.test('a schema that does not compile harms its own route at its first request, and is found by compiling all', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(lazySchemas)
  await app.register(validation)
  app.post('/right', { schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } }, response: { 200: { type: 'object', properties: { name: { type: 'string' } } } } } },
    async () => ({ name: 'a', secret: 'b' }))
  app.post('/wrong', { schema: { body: { type: 'no such type' } } }, async () => ({}))
  await app.ready()
  const right = await app.inject({ method: 'POST', url: '/right', payload: { name: 'a' } })
  t.same(right.json(), { name: 'a' })
  t.equal((await app.inject({ method: 'POST', url: '/right', payload: {} })).statusCode, 400)
  t.equal((await app.inject({ method: 'POST', url: '/wrong', payload: {} })).statusCode, 500)
  await t.rejects(app.compileSchemas(), /no such type/)
})

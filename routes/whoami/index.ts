// Whom the request's credential stands for.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'

const Principal = Type.Object({
  type: Type.Unsafe<'user' | 'key'>({ type: 'string', enum: ['user', 'key'] }),
  id: Type.String({ description: 'The user; for a key, its owner' }),
  sessionId: Type.Optional(Type.String({ description: 'The session behind a token or cookie' })),
  organizationId: Type.Optional(Type.String({ description: 'The organization that owns the key, or that is acted in' })),
  keyId: Type.Optional(Type.String({ description: 'The key that was presented' })),
  permissions: Type.Unsafe<readonly string[]>(Type.Array(Type.String())),
  authenticatedBy: Type.Unsafe<'token' | 'cookie' | 'key'>({ type: 'string', enum: ['token', 'cookie', 'key'] }),
  act: Type.Optional(Type.Object({ sub: Type.String(), sid: Type.String() }, { description: 'Set when somebody else acts for the user: who, and in which session of theirs. Show it' })),
}, {
  examples: [{
    type: 'user', id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', sessionId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f22', permissions: ['gatehouse:*'],
    authenticatedBy: 'token',
  }],
})

const JSON_TYPE = 'application/json; charset=utf-8'

const whoami: FastifyPluginAsyncTypebox = async (app) => {
  // a principal of the decision cache is the same object every time: its answer is written once
  const texts = new WeakMap<object, string>()
  app.get('/', {
    schema: { operationId: 'whoAmI', summary: 'Who am I', tags: ['Access'], response: { 200: Principal } },
    config: { access: ['user', 'service'], price: 0 },
  }, (request, reply) => {
    const principal = request.signedIn()
    let text = texts.get(principal)
    if (text === undefined) {
      text = String(reply.serializeInput({ ...principal }, '200'))
      texts.set(principal, text)
    }
    void reply.type(JSON_TYPE).send(text as never) // a text is sent as it is; the type knows objects only
  })
}

export default whoami

// How a verification is written. All but the limits of a valid key's answer is the same as long as the key is: that text is made once
// for each key in the decision cache, by the serializer of the route's schema, kept on the entry itself, and only the limits are written anew.
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'
import type { MaybePromise, Verification } from '../../src/decisions/index.js'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends what the authorizer says of a key, by the schema of the route's 200, whose last property in a valid key's answer is `limits` (described by `limits`). */
    verification: (verification: MaybePromise<Verification>, limits: object) => void
  }
}

const JSON_TYPE = 'application/json; charset=utf-8'
const NO_LIMITS = '[]}'

type Write = (value: unknown) => string

function textBeforeLimits(reply: FastifyReply, verification: Verification): string {
  const text = (reply.getSerializationFunction('200') as Write)({ ...verification, limits: [] })
  if (!text.endsWith(`"limits":${NO_LIMITS}`)) throw new Error('the schema of a verification does not end with its limits')
  return text.slice(0, -NO_LIMITS.length)
}

function send(reply: FastifyReply, verification: Verification, schema: object): void {
  const { answer, limits, valid } = verification
  if (answer === undefined || !valid) {
    void reply.send(verification)
    return
  }
  if (answer.text === '') answer.text = textBeforeLimits(reply, verification)
  const write = reply.compileSerializationSchema(schema as Record<string, unknown>) as Write // compiled once a route
  void reply.type(JSON_TYPE).send(`${answer.text}${write(limits)}}`)
}

export default fp(async (app) => {
  app.decorateReply('verification', function sendVerification(this: FastifyReply, verification, schema) {
    if (!(verification instanceof Promise)) {
      send(this, verification, schema)
      return
    }
    verification.then((one) => send(this, one, schema)).catch((error: unknown) => void this.send(error))
  })
}, { name: 'verification' })

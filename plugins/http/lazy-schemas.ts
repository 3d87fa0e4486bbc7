// Checks and serializers are compiled when they are first needed: all of them at once are a fifth of the time of a start. What nobody
// has asked for is compiled in the idle moments after the start, so that no caller waits and a schema that does not compile ends the program.
import { setImmediate as idle } from 'node:timers/promises'
import { type RouteDefinition, SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    /** A function that stands for the one `compile` makes, and makes it at its first call, once. */
    lazily: <Data, Result>(compile: () => (data: Data) => Result) => (data: Data) => Result
    /** Compiles what was not needed yet, a schema a turn of the event loop. Throws where one does not compile. */
    compileSchemas: () => Promise<void>
  }
}

export default fp(async (app) => {
  const waiting = new Set<() => unknown>()
  let isClosing = false

  app.decorate('lazily', (compile) => {
    let made: ReturnType<typeof compile> | null = null
    const make = (): ReturnType<typeof compile> => {
      made ??= compile()
      waiting.delete(make)
      return made
    }
    waiting.add(make)
    return (data) => (made ?? make())(data)
  })

  app.decorate('compileSchemas', async () => {
    for (const make of waiting) {
      if (isClosing) return
      make()
      await idle()
    }
  })

  // the compiler that Fastify takes by default, with its options
  const build = SerializerSelector()({}, {})
  app.setSerializerCompiler((route) => app.lazily<unknown, string>(() => build(route as RouteDefinition)))

  app.addHook('onListen', () => {
    // not awaited: the port is open, and a schema that cannot be compiled is a fault like any other that nobody handles
    void app.compileSchemas()
  })
  app.addHook('preClose', async () => {
    isClosing = true
  })
}, { name: 'lazy-schemas' })

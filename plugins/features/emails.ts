// At the start, beside all else: accounts of before get the spelling of their e-mail that new ones have, and those that turn out to be
// one address twice are told of in one line. Nothing waits for it.
import fp from 'fastify-plugin'

export default fp(async (app) => {
  let running: Promise<void> = Promise.resolve()
  async function renew(): Promise<void> {
    const { renewed, duplicates, ids } = await app.emailRenewal.run()
    if (renewed > 0) app.log.info({ renewed }, 'e-mails were given the spelling that new ones have')
    if (duplicates > 0) {
      const list = 'SELECT id, email FROM users WHERE email ~ \'[^ -~]\' OR email LIKE \'%.\''
      app.log.warn({ duplicates, ids, list }, 'accounts have an e-mail that is another account\'s in another spelling; they are not merged: look at them, and change or delete one of each two')
    }
  }
  app.addHook('onReady', async () => {
    running = renew().catch((error: unknown) => app.log.warn({ err: error }, 'the spellings of e-mails could not be looked at; it is tried again at the next start'))
  })
  app.addHook('onClose', async () => {
    await running
  })
}, { name: 'emails', dependencies: ['accounts'] })

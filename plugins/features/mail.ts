// app.mail: mails, promised with what they tell of; app.outbox: those that there was no mail server for.
import fp from 'fastify-plugin'
import { createMail, type MailService, type Outbox } from '../../src/mail/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    mail: MailService
    outbox: Outbox
  }
}

export default fp(async (app) => {
  const { config, queue, log, publicOrigin } = app
  const print = process.stdout.isTTY ? (text: string): void => void process.stdout.write(text) : null
  const feature = createMail({ queue, config, log, publicOrigin, print })
  app.decorate('mail', feature.mail)
  app.decorate('outbox', feature.outbox)
  app.operate(feature)
  // beside the start, not before it: a mail server that is down keeps nobody from signing in
  app.addHook('onListen', async () => void feature.check())
}, { name: 'mail', dependencies: ['queue'] })

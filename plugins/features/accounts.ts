// Accounts, their roles, passwords, devices and sign-in, each service under its name.
import fp from 'fastify-plugin'
import { type AccountFeature, createAccounts } from '../../src/accounts/index.js'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: AccountFeature['accounts']
    accountChanges: AccountFeature['accountChanges']
    accountBatches: AccountFeature['accountBatches']
    roles: AccountFeature['roles']
    grants: AccountFeature['grants']
    devices: AccountFeature['devices']
    ownPassword: AccountFeature['ownPassword']
    login: AccountFeature['login']
    signIns: AccountFeature['signIns']
    loginThrottle: AccountFeature['loginThrottle']
    passwordResets: AccountFeature['passwordResets']
    forgottenPasswords: AccountFeature['forgottenPasswords']
    mailProofs: AccountFeature['mailProofs']
    emailRenewal: AccountFeature['emailRenewal']
  }
}

export default fp(async (app) => {
  const { config, prisma, cursors, secrets, clock, log, audit, authority, sessions, signInChallenges: challenges, keySweeps, publishRevocations, sharedStore, queue, mail, mailedLinks, organizations, database: { pool, transact } } = app
  const feature = createAccounts({
    prisma, pool, cursors, secrets, clock, log, audit, authority, sessions, challenges, keySweeps, transact, config, publishRevocations, cache: sharedStore.cache, counters: sharedStore.limits, queue, mail, mailedLinks, organizations,
  })
  app.decorate('accounts', feature.accounts)
  app.decorate('accountChanges', feature.accountChanges)
  app.decorate('accountBatches', feature.accountBatches)
  app.decorate('roles', feature.roles)
  app.decorate('grants', feature.grants)
  app.decorate('devices', feature.devices)
  app.decorate('ownPassword', feature.ownPassword)
  app.decorate('login', feature.login)
  app.decorate('signIns', feature.signIns)
  app.decorate('loginThrottle', feature.loginThrottle)
  app.decorate('passwordResets', feature.passwordResets)
  app.decorate('forgottenPasswords', feature.forgottenPasswords)
  app.decorate('mailProofs', feature.mailProofs)
  app.decorate('emailRenewal', feature.emailRenewal)
  app.operate(feature)
}, { name: 'accounts', dependencies: ['sessions', 'keys', 'mail', 'mailed-links', 'organizations'] })

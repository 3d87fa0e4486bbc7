// The example of docs/guides for a provider with organizations and plans, as it stands there, against the real program.
import { join } from 'node:path'
import t from 'tap'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { portOf } from '../support/event-stream.js'
import { createCustomers } from '../support/organizations.js'
import { ROOT } from '../support/sources.js'

interface Provider {
  openCustomer: (customer: { slug: string; name: string; ownerUserId: string; plan: string; reference: string }) => Promise<{ id: string; entitlement: string[]; metadata: object }>
  changePlan: (id: string, plan: string) => Promise<{ entitlement: string[] }>
  sellKey: (id: string, name: string, permissions: string[]) => Promise<{ id: string; key: string }>
  admit: (key: string, permission: string) => Promise<{ customer?: string; status?: number; code?: string; retryAfterSeconds?: number }>
  used: (id: string, day: string) => Promise<{ allowed: number; rateLimited: number; forbidden: number }>
  setStatus: (id: string, status: string) => Promise<unknown>
}

const NEEDS = ['gatehouse:organizations.write', 'gatehouse:organizations.entitle', 'gatehouse:limits.write', 'gatehouse:keys.write', 'gatehouse:keys.verify', 'gatehouse:usage.read']

t.test('provider.js: a customer is opened once, moved between plans, sold keys that share a plan, billed and stopped', async (t) => {
  const { app, as, clock } = await startApp(t)
  const url = `http://127.0.0.1:${await portOf(app)}`
  const { send, machine, outcome } = await createActors(app, as)
  const { someone } = createCustomers(app, await as.admin())
  const { createProvider } = (await import(join(ROOT, 'docs/guides/examples/provider.js'))) as { createProvider: (options: { url: string; key: string }) => Provider }
  const { key } = await machine([...NEEDS, 'reports:*'])
  const provider = createProvider({ url, key })
  const owner = await someone()
  const order = { slug: 'acme', name: 'Acme', ownerUserId: owner.user.id, plan: 'free', reference: '42' }
  const customer = await provider.openCustomer(order)
  t.match(customer, { entitlement: ['reports:read'], metadata: { plan: 'free' } })
  t.equal((await provider.openCustomer(order)).id, customer.id, 'an order that comes twice is one')
  t.equal(await provider.openCustomer({ ...order, reference: '43' }).then(() => 'none', (error: unknown) => (error as { problem: { code: string } }).problem.code), 'organization.taken')

  const sold = await provider.sellKey(customer.id, 'production', ['reports:read', 'reports:export'])
  const own = expectJson<{ key: string }>(await send('POST', '/keys', owner.headers, { name: 'ours', organizationId: customer.id, permissions: ['reports:read'] }), 201)
  t.same(await provider.admit(sold.key, 'reports:read'), { customer: customer.id })
  t.match(await provider.admit(sold.key, 'reports:export'), { status: 403 }, 'written on it, and not in the plan')
  t.same([await provider.admit(own.key, 'reports:read'), await provider.admit(own.key, 'reports:read')], [{ customer: customer.id }, { customer: customer.id }])
  t.match(await provider.admit(sold.key, 'reports:read'), { status: 429, code: 'rate_limited' }, 'one plan over all its keys')
  t.match(await provider.admit('gk_nothing', 'reports:read'), { status: 401 })

  t.match(await provider.changePlan(customer.id, 'pro'), { entitlement: ['reports:*'] })
  await app.revocations.restore()
  t.same(await provider.admit(sold.key, 'reports:export'), { customer: customer.id }, 'nothing is issued anew')
  await app.usageLedger.flush()
  t.match(await provider.used(customer.id, new Date(clock.now()).toISOString().slice(0, 10)), { allowed: 4, rateLimited: 1, forbidden: 1 })
  t.equal(await outcome(send('GET', `/usage?ownerId=${customer.id}`, owner.headers)), '200', 'which its owner reads, too')

  await provider.setStatus(customer.id, 'suspended')
  await app.revocations.restore()
  t.match(await provider.admit(sold.key, 'reports:read'), { status: 401, code: 'owner_suspended' })
  await provider.setStatus(customer.id, 'active')
  await app.revocations.restore()
  t.same(await provider.admit(sold.key, 'reports:read'), { customer: customer.id })
})

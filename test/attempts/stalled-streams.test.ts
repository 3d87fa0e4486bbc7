// Whoever takes nothing of a stream holds it for ten seconds, whatever ends it meanwhile, and it counts among theirs as long as it is there: nobody gathers connections by beginning
// streams, taking nothing, and having them end one after the other.
import type { Socket } from 'node:net'
import t from 'tap'
import { KEEPING_STREAMS, NUMBERING } from '../../src/events/index.js'
import { createActors } from '../support/actors.js'
import { expectJson, startApp } from '../support/app.js'
import { type EventReader, readEvents } from '../support/event-stream.js'
import { createCustomers } from '../support/organizations.js'
import { eventually } from '../support/redis.js'

type Headers = Record<string, string>

t.test('streams that nobody takes', async (t) => {
  const { app, as, clock, database } = await startApp(t, { config: { accessTokenSeconds: 8_640_000, eventStreamsPerOwner: 2 } })
  const { send, patch, outcome, person } = await createActors(app, as)
  const admin = await as.admin()
  const { house, add, role, someone, signIn } = createCustomers(app, admin)
  const acme = await house()
  const auditors = await role(acme.id, acme.owner.headers, [], ['audit.read'])
  const places = new Map<string, string>()
  const keep = (): Promise<unknown> => app.jobs.run(KEEPING_STREAMS)
  const connections = (): Promise<number> => new Promise((resolve, reject) => { app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))) })

  /** Begins a stream of more than the buffers of two sockets hold, and takes nothing. */
  async function stuck(path: string, headers: Headers): Promise<EventReader> {
    const reader = await readEvents(app, `?after=${places.get(path) ?? ''}`, headers, path)
    t.equal(reader.status, 200, path)
    reader.pause()
    return reader
  }
  const sockets: Socket[] = []
  app.server.on('connection', (socket) => void sockets.push(socket))
  /** Until the newest connection takes nothing more: the kernel's buffers are full. */
  const full = async (): Promise<void> => {
    const socket = sockets.at(-1)
    let [before, same] = [-1, 0]
    await eventually(async () => {
      await keep()
      const isStuck = socket !== undefined && socket.writableLength > 0 && socket.bytesWritten === before
      same = isStuck ? same + 1 : 0
      before = socket?.bytesWritten ?? -1
      return same >= 20
    }, 20_000)
  }

  for (const path of ['/events', `${acme.path}/events`]) {
    const { next } = expectJson<{ next: string }>(await send('GET', `${path}/list?limit=200`, path === '/events' ? admin : acme.owner.headers), 200)
    places.set(path, next)
  }
  await database.pool.query(`
    INSERT INTO audit_events (id, at, actor_type, actor_id, credential, action, target_type, target_id, address, request_id, details)
    SELECT gen_random_uuid(), now(), 'host', '', 'host', 'organization.updated', 'organization', $1, '', '', jsonb_build_object('slug', repeat('x', 4000)) FROM generate_series(1, 4000) n`, [acme.id])
  for (let times = 0; times < 6; times += 1) await app.jobs.run(NUMBERING)

  t.test('an operator\'s, ended by signing out, again and again', async (t) => {
    const reader = await person(['gatehouse:events.read', 'gatehouse:organizations.read'])
    const before = await connections()
    const streams: EventReader[] = []
    for (const _ of [1, 2]) {
      const { headers } = await signIn(reader.id)
      t.equal(await outcome(send('GET', '/whoami', headers)), '200')
      streams.push(await stuck('/events', headers))
      await full()
      t.equal(await outcome(send('POST', '/auth/logout', headers)), '204')
      await keep()
    }
    const { headers } = await signIn(reader.id)
    const third = await readEvents(app, '', headers, '/events')
    t.equal(third.status, 429, 'those that ended are there still')
    third.close()
    clock.advance(10_000)
    await keep()
    await eventually(async () => (await connections()) <= before, 5_000)
    const again = await readEvents(app, '', headers, '/events')
    t.equal(again.status, 200)
    again.close()
    for (const one of streams) one.close()
  })

  t.test('an organization\'s, ended by being taken out, by losing the role, and by acting elsewhere', async (t) => {
    const ends: ((who: { user: { id: string }; headers: Headers }) => Promise<unknown>)[] = [
      ({ user }) => send('DELETE', `${acme.path}/members/${user.id}`, admin), ({ user }) => patch(`${acme.path}/members/${user.id}`, admin, { roles: [] }), ({ user }) => patch(`/users/${user.id}`, admin, { status: 'suspended' }),
    ]
    for (const end of ends) {
      const who = await someone()
      await add(acme.id, who, { roles: [auditors.id] })
      const before = await connections()
      const stream = await stuck(`${acme.path}/events`, who.headers)
      await full()
      await end(who)
      clock.advance(1_000)
      await keep()
      t.ok((await connections()) > before)
      clock.advance(10_000)
      await keep()
      await eventually(async () => (await connections()) <= before, 5_000)
      stream.close()
    }
  })

  t.test('whoever takes it hears why it ended, and it counts no more', async (t) => {
    const reader = await person(['gatehouse:events.read'])
    for (const _ of [1, 2, 3]) {
      const { headers } = await signIn(reader.id)
      const stream = await readEvents(app, '', headers, '/events')
      t.equal(stream.status, 200)
      await send('POST', '/auth/logout', headers)
      await keep()
      await stream.until(({ told }) => told.at(-1)?.event === 'end')
      await stream.ended
    }
  })
})

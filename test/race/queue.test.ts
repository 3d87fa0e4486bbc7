// Queued work: what was committed is done, by one node at a time and whatever dies; what was rolled back is not.
import t from 'tap'
import { type Item, QUEUED_WORK, Undoable, type Worker } from '../../src/queue/index.js'
import { createQueueStore } from '../../src/queue/queue-store.js'
import { expectJson, startApp } from '../support/app.js'

interface Dead {
  data: { id: string; queue: string; about: Record<string, string>; attempts: number; error: string }[]
}

t.test('queued work on two nodes', async (t) => {
  const done: string[] = []
  let failing = new Map<string, Error>()
  const name = ({ payload }: Item): string => (payload as { name: string }).name
  const note = (item: Item): void => {
    const error = failing.get(name(item))
    if (error) throw error
    done.push(name(item))
  }
  const workers: Worker[] = [
    {
      queue: 'inside', atOnce: 4,
      inside: async (tx, item) => {
        note(item)
        await tx.installation.updateMany({ data: { setUpAt: new Date(item.createdAt) } })
      },
    },
    { queue: 'outside', atOnce: 4, outside: async (item) => note(item) },
  ]
  const extend = (app: { queue: { workOn: (worker: Worker) => void } }): void => workers.forEach((worker) => app.queue.workOn(worker))
  const { app, as, clock, database } = await startApp(t, { extend })
  const { app: second } = await startApp(t, { database, clock, extend })
  const store = createQueueStore({ pool: database.pool, cursors: app.cursors })
  const promise = (queue: string, ...names: string[]) => app.database.transact(async (tx) => {
    for (const one of names) await app.queue.promise(tx, { queue, payload: { name: one }, about: { name: one } })
  })
  const both = (): Promise<unknown> => Promise.all([app.jobs.run(QUEUED_WORK), second.jobs.run(QUEUED_WORK)])
  const left = () => database.prisma.queuedWork.count()

  t.beforeEach(() => {
    done.length = 0
    failing = new Map()
  })

  t.test('each is done once, and forgotten; the payload is not readable at rest', async (t) => {
    const names = Array.from({ length: 60 }, (_, index) => `work-${index}`)
    await app.database.transact(async (tx) => {
      const id = await app.queue.promise(tx, { queue: 'inside', payload: { name: 'seen' } })
      const row = await tx.queuedWork.findUniqueOrThrow({ where: { id } })
      t.notOk(Buffer.from(row.payloadCiphertext).includes('seen'))
    })
    await promise('inside', ...names.slice(0, 30))
    await promise('outside', ...names.slice(30))
    await both()
    t.same(done.toSorted(), ['seen', ...names].toSorted())
    t.equal(await left(), 0)
  })

  t.test('what was rolled back is not done', async (t) => {
    await t.rejects(app.database.transact(async (tx) => {
      await app.queue.promise(tx, { queue: 'outside', payload: { name: 'never' } })
      throw new Error('changed my mind')
    }), { message: 'changed my mind' })
    await both()
    t.same(done, [])
    t.equal(await left(), 0)
  })

  t.test('what a node took that died is another\'s after a minute, and the dead one\'s end counts for nothing', async (t) => {
    const taken = await app.database.transact(async (tx) => {
      // taken before either node could: in one transaction with its promise it is nobody else's
      await store.insert(tx, { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f44', queue: 'elsewhere', payload: Buffer.alloc(0), about: {}, at: new Date(clock.now()) })
      return null
    }).then(() => store.take({ elsewhere: 1 }, new Date(clock.now()), new Date(clock.now() + 60_000)))
    const [first] = taken
    if (!first) throw new Error('nothing was taken')
    t.same(await store.take({ elsewhere: 1 }, new Date(clock.now()), new Date(clock.now() + 60_000)), [], 'not twice')
    clock.advance(60_000)
    const [again] = await store.take({ elsewhere: 1 }, new Date(clock.now()), new Date(clock.now() + 60_000))
    t.equal(again?.attempts, 2)
    t.equal(await store.finish(first), false)
    await store.bury(first, 'late', new Date())
    await store.postpone(first, new Date(0))
    t.equal(await database.prisma.deadLetter.count(), 0)
    t.equal(again && (await store.finish(again)), true)
  })

  t.test('of many who take the last one, one gets it', async (t) => {
    await app.database.transact((tx) => store.insert(tx, { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f45', queue: 'elsewhere', payload: Buffer.alloc(0), about: {}, at: new Date(clock.now()) }))
    const takes = await Promise.all(Array.from({ length: 50 }, () => store.take({ elsewhere: 1 }, new Date(clock.now()), new Date(clock.now() + 60_000))))
    t.equal(takes.flat().length, 1)
    await database.prisma.queuedWork.deleteMany()
  })

  t.test('what fails is tried again later, each time later, and given up after ten tries', async (t) => {
    failing.set('stubborn', new Error('not today'))
    await promise('outside', 'stubborn')
    const waits: number[] = []
    for (let attempt = 1; attempt < 10; attempt += 1) {
      await both()
      const row = await database.prisma.queuedWork.findFirstOrThrow()
      t.equal(row.attempts, attempt)
      waits.push(row.runAt.getTime() - clock.now())
      clock.advance(waits.at(-1) ?? 0)
    }
    t.ok(waits.every((wait, index) => wait > (waits[index - 1] ?? 0) || wait >= 2_880_000), `${waits.join(' ')} ms`)
    await both()
    t.equal(await left(), 0)
    t.same(done, [])
    const headers = await as.admin()
    const { data: [dead] } = expectJson<Dead>(await app.inject({ url: '/api/v1/dead-letters?queue=outside', headers }), 200)
    t.match(dead, { queue: 'outside', about: { name: 'stubborn' }, attempts: 10, error: 'not today' })
    failing.clear()
    t.equal((await app.inject({ method: 'POST', url: `/api/v1/dead-letters/${dead?.id}/replay`, headers })).statusCode, 204)
    await both()
    t.same(done, ['stubborn'])
    t.equal((await app.inject({ method: 'POST', url: `/api/v1/dead-letters/${dead?.id}/replay`, headers })).json<{ code: string }>().code, 'dead_letter.not_found')
  })

  t.test('what no try would bring about is given up at once; a work that fails inside leaves nothing behind', async (t) => {
    failing.set('hopeless', new Undoable('no such thing'))
    const before = await database.prisma.installation.findFirstOrThrow()
    await promise('inside', 'hopeless')
    await both()
    t.same(await database.prisma.installation.findFirstOrThrow(), before)
    const dead = await database.prisma.deadLetter.findFirstOrThrow()
    t.match(dead, { queue: 'inside', attempts: 1, error: 'no such thing' })
    const headers = await as.admin()
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/dead-letters/${dead.id}`, headers })).statusCode, 204)
    t.equal((await app.inject({ method: 'DELETE', url: `/api/v1/dead-letters/${dead.id}`, headers })).statusCode, 404)
    t.equal(await database.prisma.deadLetter.count(), 0)
  })

  t.test('what kills whoever takes it is not taken for ever', async (t) => {
    await app.database.transact(async (tx) => {
      const id = await app.queue.promise(tx, { queue: 'outside', payload: { name: 'deadly' } })
      await tx.queuedWork.update({ where: { id }, data: { attempts: 10 } })
    })
    await both()
    t.same(done, [])
    t.match(await database.prisma.deadLetter.findFirstOrThrow(), { attempts: 11 })
  })

  t.test('a member sees no dead letters, a stranger neither', async (t) => {
    const { headers } = await as.signUp()
    t.equal((await app.inject({ url: '/api/v1/dead-letters', headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/api/v1/dead-letters' })).statusCode, 401)
  })
})

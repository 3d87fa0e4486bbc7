// Several processes that are one node: real ones, on a real database and Redis, started as an operator starts them.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createBareDatabase } from '../support/database.js'
import { build, emptyFolder, isAlive, launch, launchAt, type Program } from '../support/program.js'
import { ROOT } from '../support/sources.js'
import { eventually, NO_REDIS, ownRedis } from '../support/redis.js'

const WITHIN_MS = 30_000
const PASSWORD = 'correct horse battery staple'

/** The pids of the workers that were told of, in their order. */
function workersOf(program: Program): number[] {
  return [...program.out().matchAll(/"worker":(\d+),"msg":"a worker listens"/g)].map((found) => Number(found[1]))
}

build()

t.test('WORKERS=2', { skip: NO_REDIS }, async (t) => {
  const { url } = await createBareDatabase(t)
  const variables = { DATABASE_URL: url, REDIS_URL: ownRedis(t).url, GATEHOUSE_SECRET: randomBytes(24).toString('hex'), WORKERS: '2', LOG_LEVEL: 'info', INSIDE_PORT: '0', DRAIN_SECONDS: '1' }
  const program = launch(t, emptyFolder(t), variables)
  const origin = await program.listening
  await eventually(() => workersOf(program).length === 2, WITHIN_MS)
  const inside = /"inside":"([^"]+)"/.exec(program.out())?.[1] ?? ''
  const setup = /"setup":\{"post":"[^"]+","body":(\{[^}]+\})/.exec(program.out())?.[1] ?? ''
  // a connection of its own for each: whichever worker takes it
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${origin}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json', connection: 'close', ...headers }, body: JSON.stringify(body) })
    return { status: response.status, body: await response.json() as Record<string, unknown> }
  }
  const made = await post('/setup', { ...JSON.parse(setup) as object, password: PASSWORD })
  t.equal(made.status, 201)
  const bearer = { authorization: `Bearer ${String(made.body['accessToken'])}` }
  t.equal([...program.out().matchAll(/Gatehouse listens/g)].length, 1, 'one of them says where they listen')

  await t.test('a limit counts over both', async (t) => {
    // a worker that had lost Redis for a moment, as on a busy machine, says so by its guarantee: what it asked in vain may be counted
    await eventually(async () => {
      const key = await post('/keys', { name: 'k', permissions: ['a:b'], limits: [{ name: 'n', quota: 10, windowSeconds: 600 }] }, bearer)
      t.equal(key.status, 201, JSON.stringify(key.body))
      const verdicts = await Promise.all(Array.from({ length: 30 }, () => post('/keys/verify', { key: key.body['key'] }, bearer)))
      const admitted = verdicts.filter(({ body }) => body['valid'] === true).length
      const guarantees = verdicts.map(({ body }) => (body['limits'] as { guarantee: string }[] | undefined)?.[0]?.guarantee)
      const isExact = guarantees.every((guarantee) => guarantee === 'exact')
      t.ok(isExact ? admitted === 10 : admitted <= 10, `${admitted} of 10: ${guarantees.join(' ')}`)
      return isExact
    }, WITHIN_MS)
  })

  await t.test('/metrics adds them up', async (t) => {
    const before = 20
    for (let n = 0; n < before; n += 1) await fetch(`${origin}/api/v1/whoami`, { headers: { connection: 'close' } }).then((response) => response.arrayBuffer())
    const counted = async (): Promise<number> => {
      const text = await (await fetch(`${inside}/metrics`)).text()
      return Number(/gatehouse_http_requests_total\{method="GET",route="\/api\/v1\/whoami",status="401"\} (\d+)/.exec(text)?.[1])
    }
    t.equal(await counted(), before, 'whichever was asked')
    t.equal(await counted(), before)
  })

  await t.test('one that stands still gets no connection, and one that is killed has a successor: meanwhile the other answers', async (t) => {
    const [first = 0] = workersOf(program)
    const statuses = () => Promise.all(Array.from({ length: 10 }, async () => (await fetch(`${origin}/readyz`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(WITHIN_MS) })).status))
    process.kill(first, 'SIGSTOP')
    t.same(new Set(await statuses()), new Set([200]))
    process.kill(first, 'SIGKILL')
    await eventually(() => !isAlive(first), WITHIN_MS)
    t.same(new Set(await statuses()), new Set([200]))
    await eventually(() => workersOf(program).length === 3, WITHIN_MS)
  })

  await t.test('SIGHUP puts new ones into their place, and no request is lost', async (t) => {
    const old = workersOf(program).slice(1)
    const statuses = new Map<number | string, number>()
    const over = new AbortController()
    const note = (what: number | string): void => void statuses.set(what, (statuses.get(what) ?? 0) + 1)
    const client = async (): Promise<void> => {
      // connections are kept: each ends with an answer that says so
      while (!over.signal.aborted) await fetch(`${origin}/readyz`).then(async (response) => response.arrayBuffer().then(() => note(response.status)), (error: unknown) => note(String(error)))
    }
    const clients = Promise.all(Array.from({ length: 8 }, client))
    program.child.kill('SIGHUP')
    await eventually(() => program.out().includes('the workers were replaced'), WITHIN_MS)
    over.abort()
    await clients
    t.same([...statuses.keys()], [200], JSON.stringify([...statuses]))
    t.ok(old.every((pid) => !isAlive(pid)), 'the old ones have ended')
    t.equal(workersOf(program).length, 5)
  })

  await t.test('SIGTERM drains all of them, and ends with 0', async (t) => {
    program.child.kill('SIGTERM')
    t.match(await program.exit, { code: 0, signal: null })
    t.ok(workersOf(program).every((pid) => !isAlive(pid)))
  })
})

t.test('without what they share it does not start, and says what is missing', async (t) => {
  const program = launch(t, emptyFolder(t), { WORKERS: '2' })
  t.match(await program.exit, { code: 1 })
  t.match(program.err(), /^WORKERS needs REDIS_URL: /)
})

t.test('what keeps a worker from starting is said once, and ends the start', { skip: NO_REDIS }, async (t) => {
  const program = launch(t, emptyFolder(t), { WORKERS: '2', REDIS_URL: ownRedis(t).url, DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none', GATEHOUSE_SECRET: 'x'.repeat(32) })
  t.match(await program.exit, { code: 1 })
  t.equal(program.err().trim().split('\n').length, 1, program.err())
})

// listens to nothing but its end: it does not leave when it is asked to
const STUB = `
  process.on('SIGTERM', () => process.exit(0)).on('message', ({ gatehouse, id }) => { if (gatehouse === 'own-numbers') process.send({ gatehouse: 'own-numbers-are', id, numbers: [] }) })
  process.send({ gatehouse: 'up' })`

/** A supervisor of two such workers; \`act\` is done when both are up, and \`finish\` when a third is. */
function superviseStubs(t: Parameters<typeof emptyFolder>[0], { act, finish }: { act: string; finish: string }): Program {
  const folder = emptyFolder(t)
  writeFileSync(join(folder, 'stub.mjs'), STUB)
  writeFileSync(join(folder, 'main.mjs'), `
    import cluster from 'node:cluster'
    import { supervise } from ${JSON.stringify(join(ROOT, 'dist/src/workers/supervisor.js'))}
    const up = []
    const end = () => process.kill(process.pid, 'SIGTERM')
    const told = (details, message) => {
      console.log(message)
      if (message === 'the workers were replaced') end()
    }
    cluster.on('message', (worker, { gatehouse }) => {
      if (gatehouse !== 'up') return
      up.push(worker)
      if (up.length === 2) setTimeout(() => { ${act} }, 100)
      if (up.length === 3) { ${finish} }
    })
    process.exit(await supervise({ count: 2, program: ${JSON.stringify(join(folder, 'stub.mjs'))}, leaveMs: 300, log: { info: told, warn: told, error: told } }))`)
  return launchAt(t, join(folder, 'main.mjs'), folder)
}

t.test('a worker that dies just before it is asked for its numbers does not take the supervisor along', async (t) => {
  const program = superviseStubs(t, {
    // the end of a process is heard of in the next turn: in this one it looks alive
    act: "up[1].process.kill('SIGKILL'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500); cluster.emit('message', up[0], { gatehouse: 'all-numbers', id: 1 })",
    finish: 'end()',
  })
  t.match(await program.exit, { code: 0 }, program.err())
  t.match(program.out(), /a worker could not be told/)
})

t.test('a worker that hangs when it is replaced is killed, and holds up no later replacement', async (t) => {
  const program = superviseStubs(t, { act: "process.kill(process.pid, 'SIGHUP')", finish: '' })
  t.match(await program.exit, { code: 0 }, program.err())
  t.equal([...program.out().matchAll(/a worker does not leave, and is killed/g)].length, 2)
})

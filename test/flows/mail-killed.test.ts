// Mail while nodes are killed: of what was answered nothing is lost, of what nobody asked for nothing is sent. The built program, a real mail server,
// SIGKILL at any moment.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createTestDatabase } from '../support/database.js'
import { emptyFolder, launch, type Program } from '../support/program.js'
import { eventually } from '../support/redis.js'
import { startMailServer } from '../support/smtp.js'

const PEOPLE = 120
const KILLS = 3

t.test('a node that is killed while mails are promised and sent', { timeout: 240_000 }, async (t) => {
  const server = await startMailServer(t)
  const database = await createTestDatabase(t)
  const { prisma } = database
  const variables = { DATABASE_URL: database.url, GATEHOUSE_SECRET: 'a secret of the tests, 32 characters or more', SMTP_URL: server.url, PUBLIC_URL: 'https://auth.example.com', TRUSTED_PROXIES: '127.0.0.1' }
  const emails = Array.from({ length: PEOPLE }, (_, at) => `person${at}@example.com`)
  const at = new Date()
  await prisma.user.createMany({ data: emails.map((email) => ({ id: randomUUID(), email, createdAt: at, updatedAt: at })) })

  const answered = new Set<string>()
  const asked: string[] = []
  let next = 0

  /** Asks one after the other, each from an address of its own, until the node is gone. */
  async function askUntilGone(origin: string): Promise<void> {
    while (next < PEOPLE) {
      const email = emails[next] ?? ''
      next += 1
      asked.push(email)
      try {
        const response = await fetch(`${origin}/api/v1/auth/password/forgot`, { // oxlint-disable-line no-await-in-loop
          method: 'POST', headers: { 'content-type': 'application/json', 'x-forwarded-for': `198.51.100.${next % 250}` }, body: JSON.stringify({ email }),
        })
        if (response.status === 202) answered.add(email)
      } catch {
        return
      }
    }
  }

  async function killed(program: Program): Promise<void> {
    const origin = await program.listening
    const before = server.received.length
    const asking = Promise.all([1, 2, 3, 4].map(() => askUntilGone(origin)))
    // once some are on their way
    await eventually(async () => server.received.length >= before + 4, 20_000)
    program.child.kill('SIGKILL')
    await Promise.all([program.exit, asking])
    // what it had taken is another's a minute later
    await prisma.queuedWork.updateMany({ data: { runAt: at } })
  }

  for (let round = 0; round < KILLS; round += 1) await killed(launch(t, emptyFolder(t), variables)) // oxlint-disable-line no-await-in-loop
  const last = launch(t, emptyFolder(t), variables)
  await askUntilGone(await last.listening)
  await eventually(async () => (await prisma.queuedWork.count()) === 0, 60_000)

  const reached = new Set(server.received.flatMap(({ to }) => to))
  t.ok(answered.size > PEOPLE / 2, `${answered.size} of ${asked.length} were answered`)
  t.same([...answered].filter((email) => !reached.has(email)), [], 'whoever was answered got a mail')
  t.same([...reached].filter((email) => !asked.includes(email)), [], 'nobody else did')
  const ids = new Map<string, Set<string>>()
  for (const { headers, to } of server.received) ids.set(to[0] ?? '', (ids.get(to[0] ?? '') ?? new Set()).add(headers['message-id'] ?? ''))
  t.same([...ids].filter(([, all]) => all.size > 1), [], 'a repetition is the same mail')
  t.equal(await prisma.mailedLink.count(), reached.size, 'a link each, and none that was not mailed')
  t.equal(await prisma.deadLetter.count(), 0)
})

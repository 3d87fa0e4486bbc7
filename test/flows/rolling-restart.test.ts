// The built program where it is operated: one of two nodes replaced under load, and the image's last stage run by another user.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, readdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { balance, POSTS_A_SECOND, sendSteadily } from '../support/balancer.js'
import { createBareDatabase } from '../support/database.js'
import { breakingWire } from '../support/database-proxy.js'
import { finalStage, ROOT } from '../support/dockerfile.js'
import { build, emptyFolder, launch } from '../support/program.js'
import { freePort } from '../support/redis.js'

const PASSWORD = 'correct horse battery staple'
const SECRET = 'a secret of the tests, 32 characters or more'

// each Node that a test starts writes down what it ran (scripts/test-coverage.mjs), where somebody else may not
const PLAIN = ['-u', 'NODE_OPTIONS']

t.setTimeout(240_000)
build()

async function post(origin: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${origin}/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

t.test('one of two nodes is stopped by SIGTERM and started again under 200 POSTs a second: none is lost', async (t) => {
  const { url } = await createBareDatabase(t)
  const variables = {
    DATABASE_URL: url, GATEHOUSE_SECRET: SECRET, GATEHOUSE_ADMIN_EMAIL: 'root@example.com', GATEHOUSE_ADMIN_PASSWORD: PASSWORD,
    PUBLIC_URL: 'http://localhost:3000', DRAIN_SECONDS: '2',
  }
  const folder = emptyFolder(t)
  const first = launch(t, folder, variables)
  const origins = [await first.listening]
  const second = launch(t, folder, variables)
  origins.push(await second.listening)
  const [firstPort = 0, secondPort = 0] = origins.map((origin) => Number(new URL(origin).port))
  const balancer = await balance(t, [firstPort, secondPort])
  await balancer.ready([firstPort, secondPort])

  const { accessToken } = (await post(balancer.origin, '/auth/login', { email: 'root@example.com', password: PASSWORD })).body as { accessToken: string }
  const authorization = `Bearer ${accessToken}`
  const { key } = (await post(balancer.origin, '/keys', { name: 'k' }, { authorization })).body as { key: string }
  const load = sendSteadily(`${balancer.origin}/api/v1/keys/verify`, authorization, JSON.stringify({ key }))

  first.child.kill('SIGTERM')
  await balancer.ready([secondPort])
  t.same(await first.exit, { code: 0, signal: null })
  const again = launch(t, folder, { ...variables, PORT: String(firstPort) })
  await again.listening
  await balancer.ready([firstPort, secondPort])
  const sentBefore = load.sent()
  while (load.sent() < sentBefore + POSTS_A_SECOND) await delay(20)
  const lost = await load.stop()
  t.ok(load.sent() > 2 * POSTS_A_SECOND, `${load.sent()} sent`)
  t.same(lost.slice(0, 5), [], `${lost.length} of ${load.sent()} lost`)
})

t.test('the image\'s last stage runs as another user, in a folder where it may write nothing, and its health is asked as the image asks', { skip: process.getuid?.() === 0 ? false : 'only root can be somebody else' }, async (t) => {
  const { copies, variables, run: [command = '', ...args], health } = finalStage()
  const folder = emptyFolder(t)
  for (const [from = '', to = ''] of copies) {
    if (from === 'node_modules') symlinkSync(realpathSync(join(ROOT, from)), join(folder, to))
    else cpSync(join(ROOT, from), join(folder, to), { recursive: true })
  }
  chmodSync(folder, 0o755)
  // the run's own PostgreSQL listens below a folder that nobody else may enter
  const { url } = await breakingWire(t, (await createBareDatabase(t)).url)
  const port = await freePort()
  const { PATH = '' } = process.env
  const nobody = { cwd: folder, uid: 65_534, gid: 65_534, env: { PATH, ...variables, HOST: '127.0.0.1', PORT: String(port), INSIDE_PORT: '0', DRAIN_SECONDS: '0', DATABASE_URL: url, GATEHOUSE_SECRET: SECRET } }
  const isHealthy = (): boolean => spawnSync('env', [...PLAIN, ...health], nobody).status === 0
  t.notOk(isHealthy(), 'not before it runs')
  const child = spawn('env', [...PLAIN, command, ...args], { ...nobody, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const said = await new Promise<string>((resolve) => {
    let all = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      all += text
      if (all.includes('Gatehouse listens')) resolve(all)
    }).on('end', () => resolve(all))
  })
  t.match(said, /"msg":"Gatehouse listens"/)
  t.ok(isHealthy())
  child.kill('SIGTERM')
  t.same(await once(child, 'close'), [0, null])
  t.same(readdirSync(folder).toSorted(), ['dist', 'node_modules', 'package.json', 'prisma', 'scripts'], 'nothing was written')
})

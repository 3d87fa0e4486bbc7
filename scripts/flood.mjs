// How long right sign-ins take while wrong ones come in fifteen a second, from one address and from fifty: a running Gatehouse on this
// machine, started with TRUSTED_PROXIES=127.0.0.1, is flooded for six seconds each. Usage: node scripts/flood.mjs BASE_URL EMAIL PASSWORD
import { randomBytes } from 'node:crypto'

const [base, email, password] = process.argv.slice(2)
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/
const SECONDS = 6
const RATE = 15

if (!base || !LOOPBACK.test(base) || !email || !password) {
  console.error('usage: node scripts/flood.mjs http://127.0.0.1:3000 ADMIN_EMAIL ADMIN_PASSWORD')
  process.exit(2)
}

const run = randomBytes(3).toString('hex')
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const secret = `a password of ${run} only`

async function post(path, body, address, headers = {}) {
  const start = performance.now()
  const response = await fetch(`${base}/api/v1${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...(address ? { 'x-forwarded-for': address } : {}), ...headers },
  })
  const answer = await response.json()
  return { status: response.status, ms: performance.now() - start, answer }
}

function p95(times) {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1] ?? Number.NaN
}

const admin = await post('/auth/login', { email, password }, '192.0.2.1')
if (admin.status !== 200) throw new Error(`the administrator cannot sign in: ${JSON.stringify(admin.answer)}`)
const bearer = { authorization: `Bearer ${admin.answer.accessToken}` }

/** A user that was never signed in. */
async function newUser(name) {
  const mail = `${name}-${run}@flood.example`
  const { status, answer } = await post('/users', { email: mail, password: secret }, undefined, bearer)
  if (status !== 201) throw new Error(JSON.stringify(answer))
  return mail
}

const count = SECONDS - 1
const strangers = []
for (let at = 0; at < 2 * count; at += 1) strangers.push(await newUser(`other${at}`))
const owner = await newUser('owner')
const { answer: { deviceToken } } = await post('/auth/login', { email: owner, password: secret }, '192.0.2.7')

/** Floods, and signs in meanwhile: each stranger from an address of its own, the owner with a device token from ever new ones. */
async function measure(label, addressOf, offset) {
  const pending = []
  const refused = { busy: 0, throttled: 0, wrong: 0 }
  const others = []
  const known = []
  const note = (list) => ({ status, ms }) => void list.push(status === 200 ? ms : Infinity)
  const start = performance.now()
  for (let at = 0; at < SECONDS * RATE; at += 1) {
    await sleep(Math.max(0, start + at * 1000 / RATE - performance.now()))
    pending.push(post('/auth/login', { email: `guess${at}-${run}@flood.example`, password: 'wrong' }, addressOf(at)).then(({ status }) => {
      refused[{ 503: 'busy', 429: 'throttled' }[status] ?? 'wrong'] += 1
    }))
    if (at % RATE !== 7 || others.length + known.length > 2 * count) continue
    const second = Math.floor(at / RATE)
    const mail = strangers[offset + second]
    if (mail) pending.push(post('/auth/login', { email: mail, password: secret }, `203.0.113.${offset + second}`).then(note(others)))
    pending.push(post('/auth/login', { email: owner, password: secret, deviceToken, endOldest: true }, `192.0.2.${100 + offset + second}`).then(note(known)))
  }
  await Promise.race([Promise.all(pending), sleep(12_000)])
  const told = (times) => `${Math.round(p95(times))} ms (${times.length} sign-ins, slowest counted)`
  console.log(`${label}: others p95 ${told(others)}, known device p95 ${told(known)}; of the flood ${refused.wrong} looked at, ${refused.throttled} throttled, ${refused.busy} shed`)
}

await measure('one address', () => '198.51.100.1', 0)
await measure('fifty addresses', (at) => `198.51.100.${10 + at % 50}`, count)

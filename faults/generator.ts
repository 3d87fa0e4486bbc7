// The load: a process of its own that verifies keys on every node at a bounded rate and writes down each answer with the
// times of sending and receipt. It never waits for one node before it asks another, so a node that hangs hides nothing.
import { Agent, request } from 'node:http'
import { type Answer, type Begin, type Order, type Results, steadyMs } from './protocol.js'

const TICK_MS = 4
const MOST_A_TICK = 40
const MOST_WAITING = 400
/** a node that lets as many wait is asked less often, so that there is room for questions of the whole time that it stands still */
const MANY_WAITING = 40
const LESS_OFTEN = 1 / 5
const GIVE_UP_MS = 12_000
/** keys asked about before their revocation begins, so that every node holds them in memory */
const AHEAD = 6
/** how long a revoked key is still asked about */
const AFTERWARDS_MS = 8_000
const FRESH_MS = 2_500
/** limited keys get this many times what their limit allows */
const PRESSURE = 1.8
const FAVOUR_MS = 3_000

interface Run extends Begin {
  agents: Agent[]
  waiting: number[]
  answers: Answer[]
  skipped: number
  /** revocable keys below this number have been revoked, or are about to be */
  next: number
  /** number of a revoked key -> until when it is asked about; Infinity while its revocation is not acknowledged */
  dying: Map<number, number>
  timer: NodeJS.Timeout | undefined
}

function verify(run: Run, key: number, node: number): void {
  const origin = run.origins[node]
  const text = run.revocable[key] ?? run.limited[key - run.revocable.length]?.key
  if (origin === undefined || text === undefined) return
  const waiting = run.waiting[node] ?? 0
  if (waiting >= MOST_WAITING || (waiting >= MANY_WAITING && Math.random() > LESS_OFTEN)) {
    run.skipped += 1
    return
  }
  run.waiting[node] = waiting + 1
  const body = JSON.stringify({ key: text })
  let ended = false
  const sentMs = steadyMs()
  const end = (status: number, code: string): void => {
    if (ended) return
    ended = true
    run.waiting[node] = (run.waiting[node] ?? 1) - 1
    run.answers.push({ key, node, sentMs, receivedMs: steadyMs(), status, code })
  }
  const asked = request(`${origin}/api/v1/keys/verify`, {
    method: 'POST', agent: run.agents[node], timeout: GIVE_UP_MS,
    headers: { authorization: `Bearer ${run.callerKey}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  }, (response) => {
    let said = ''
    response.setEncoding('utf8')
    response.on('data', (part: string) => { said += part })
    response.on('end', () => end(response.statusCode ?? 0, codeOf(said)))
    response.on('error', (error) => end(0, codeOfError(error)))
  })
  asked.on('timeout', () => asked.destroy(new Error('timeout')))
  asked.on('error', (error) => end(0, codeOfError(error)))
  asked.end(body)
}

function codeOf(said: string): string {
  try {
    return (JSON.parse(said) as { code?: string }).code ?? 'no code'
  } catch {
    return 'not JSON'
  }
}

function codeOfError(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

const among = (count: number): number => Math.floor(Math.random() * count)

/** Half of the time a key whose revocation is under way or fresh; else any that is about to be revoked or was lately. */
function pickRevocable(run: Run): number | null {
  const now = steadyMs()
  for (const [key, untilMs] of run.dying) if (untilMs < now) run.dying.delete(key)
  if (Math.random() < 0.5) {
    const fresh = [...run.dying].filter(([, untilMs]) => untilMs > now + AFTERWARDS_MS - FRESH_MS)
    if (fresh.length > 0) return fresh[among(fresh.length)]?.[0] ?? null
  }
  const ahead = Math.min(AHEAD, run.revocable.length - run.next)
  const at = among(ahead + run.dying.size)
  return at < ahead ? run.next + at : [...run.dying.keys()][at - ahead] ?? null
}

/** Most of a limited key's requests go to one node, another one every few seconds: an even spread would hide what nodes do not know of each other. */
function pickNode(run: Run, at: number): number {
  const favourite = (Math.floor(steadyMs() / FAVOUR_MS) + at) % run.origins.length
  return Math.random() < 0.7 ? favourite : among(run.origins.length)
}

function begin(order: Begin): Run {
  const run: Run = {
    ...order, agents: order.origins.map(() => new Agent({ keepAlive: true, maxSockets: MOST_WAITING })), waiting: order.origins.map(() => 0),
    answers: [], skipped: 0, next: 0, dying: new Map(), timer: undefined,
  }
  const rates = [run.ratePerSecond, ...run.limited.map(({ quota, windowMs }) => PRESSURE * quota / windowMs * 1_000)]
  const owed = rates.map(() => Math.random())
  let last = steadyMs()
  run.timer = setInterval(() => {
    const now = steadyMs()
    rates.forEach((rate, at) => {
      // what a stalled process has missed is not made up for
      const due = Math.min((owed[at] ?? 0) + rate * (now - last) / 1_000, MOST_A_TICK)
      const count = Math.floor(due)
      owed[at] = due - count
      for (let index = 0; index < count; index += 1) {
        const key = at === 0 ? pickRevocable(run) : run.revocable.length + at - 1
        if (key !== null) verify(run, key, at === 0 ? among(run.origins.length) : pickNode(run, at))
      }
    })
    last = now
  }, TICK_MS)
  return run
}

async function end(run: Run): Promise<Results> {
  clearInterval(run.timer)
  while (run.waiting.some((count) => count > 0)) await new Promise((resolve) => { setTimeout(resolve, 20) })
  for (const agent of run.agents) agent.destroy()
  return { answers: run.answers, skipped: run.skipped }
}

let run: Run | null = null

process.on('message', (order: Order) => {
  if (order.kind === 'begin') run = begin(order)
  else if (run && order.kind === 'revoked') {
    run.next = Math.max(run.next, order.key + 1)
    run.dying.set(order.key, order.acknowledged ? steadyMs() + AFTERWARDS_MS : Infinity)
  } else if (run && order.kind === 'end') void end(run).then((results) => process.send?.(results))
})
process.on('disconnect', () => process.exit(0))

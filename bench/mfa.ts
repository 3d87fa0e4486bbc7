// A sign-in with a second factor, both steps, beside its hash: what the server takes of a core for it. The accounts have a hash that costs next to nothing and is never made
// anew (another system's, of a password longer than bcrypt reads), so that the noise of real hashes does not bury the rest.
import { hash, verify } from '@node-rs/bcrypt'
import { Secret, TOTP } from 'otpauth'
import { newId } from '../src/kernel/ids.js'
import { bearer } from './api.js'
import { coreSecondsOf } from './core-time.js'
import { cpuSeconds, withPool } from './live.js'
import type { Bench, Findings } from './rows.js'
import { signIn } from './world.js'

// each code counts once; the first of them warm the program up, as those of the last minute have in one that runs
const PEOPLE = 400
const WARM = 200
// one address may answer 120 challenges in a minute
const PER_ADDRESS = 50
const LANES = 8
const TARGET_MS = 3
const CHEAP = 4
const PASSWORD = 'the people of this row have a password of which bcrypt reads no more than seventy-two bytes'
const HASHES = 400

const from = (at: number): Record<string, string> => ({ 'x-forwarded-for': `10.8.0.${Math.floor(at / PER_ADDRESS)}` })
const codeOf = (secret: string, steps: number): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 })

/** Each of `from` to `to`, so many at a time as a server that is in use has. */
async function inLanes(first: number, end: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = first
  await Promise.all(Array.from({ length: LANES }, async () => {
    for (let at = next; at < end; at = next) {
      next += 1
      await work(at)
    }
  }))
}

async function hashMs(stored: string): Promise<number> {
  const before = process.cpuUsage()
  for (let at = 0; at < HASHES; at += 1) await verify(PASSWORD, stored)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / HASHES
}

export async function measureMfa(bench: Bench): Promise<Findings> {
  const { world: { api }, serverPid } = bench
  if (cpuSeconds(serverPid) === null) return { skipped: 'there is no /proc' }
  const admin = bearer((await signIn(bench.world)).accessToken)
  const run = newId().slice(-12)
  const stored = await hash(PASSWORD, { cost: CHEAP })
  const people: { email: string; secret: string }[] = []
  const plain = Array.from({ length: PEOPLE / 10 }, (_none, at) => ({ email: `mfa-${run}-plain-${at}@bench.example` }))
  try {
    for (let at = 0; at < PEOPLE; at += 1) {
      const email = `mfa-${run}-${at}@bench.example`
      await api.json('/api/v1/users', { method: 'POST', headers: admin, body: { email, passwordHash: { scheme: 'bcrypt', hash: stored } } })
      const { accessToken } = await api.json<{ accessToken: string }>('/api/v1/auth/login', { method: 'POST', headers: from(at), body: { email, password: PASSWORD } })
      const { id, secret } = await api.json<{ id: string; secret: string }>('/api/v1/me/factors/totp', { method: 'POST', headers: bearer(accessToken), body: { name: 'Phone' } })
      await api.json(`/api/v1/me/factors/totp/${id}/confirm`, { method: 'POST', headers: bearer(accessToken), body: { code: codeOf(secret, -1) } })
      people.push({ email, secret })
    }
    // the same without a second factor
    for (const { email } of plain) await api.json('/api/v1/users', { method: 'POST', headers: admin, body: { email, passwordHash: { scheme: 'bcrypt', hash: stored } } })
    const logIn = <T>(at: number, email: string): Promise<T> => api.json<T>('/api/v1/auth/login', { method: 'POST', headers: from(at), body: { email, password: PASSWORD } })
    const signInPlain = async (at: number): Promise<void> => void (await logIn(at, plain[at % plain.length]?.email ?? ''))
    const signInCoded = async (at: number): Promise<void> => {
      const { email = '', secret = '' } = people[at] ?? {}
      const { challenge } = await logIn<{ challenge: string }>(at, email)
      await api.json('/api/v1/auth/mfa', { method: 'POST', headers: from(at), body: { challenge, method: 'totp', code: codeOf(secret, 1) } })
    }
    await inLanes(0, WARM, signInPlain)
    const plainBefore = cpuSeconds(serverPid) ?? 0
    await inLanes(WARM, PEOPLE, signInPlain)
    const plainMs = ((cpuSeconds(serverPid) ?? 0) - plainBefore) * 1_000 / (PEOPLE - WARM)
    await inLanes(0, WARM, signInCoded)
    const [serverBefore, allBefore] = [cpuSeconds(serverPid) ?? 0, coreSecondsOf(serverPid) ?? 0]
    await inLanes(WARM, PEOPLE, signInCoded)
    const [serverMs, allMs] = [((cpuSeconds(serverPid) ?? 0) - serverBefore) * 1_000 / (PEOPLE - WARM), ((coreSecondsOf(serverPid) ?? 0) - allBefore) * 1_000 / (PEOPLE - WARM)]
    const besideMs = await hashMs(stored)
    return {
      figures: [
        { label: 'a sign-in with a code, both steps, of a core beside the hash: the server', value: serverMs - besideMs, unit: 'ms', digits: 2, target: TARGET_MS },
        { label: 'a sign-in without one, in the same run: the server', value: plainMs - besideMs, unit: 'ms', digits: 2, target: null },
        { label: 'the one with a code with its embedded PostgreSQL', value: allMs - besideMs, unit: 'ms', digits: 2, target: null },
      ],
      details: { serverMs, allMs, plainMs, besideMs, people: PEOPLE - WARM },
    }
  } finally {
    await withPool(bench, (pool) => pool.query('DELETE FROM users WHERE email LIKE $1', [`mfa-${run}%`]))
  }
}

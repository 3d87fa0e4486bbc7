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

// one address may answer 120 challenges in a minute, and each code counts once
const PEOPLE = 100
const TARGET_MS = 3
const CHEAP = 4
const PASSWORD = 'the people of this row have a password of which bcrypt reads no more than seventy-two bytes'
const HASHES = 400

const codeOf = (secret: string, steps: number): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 })

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
  try {
    for (let at = 0; at < PEOPLE; at += 1) {
      const email = `mfa-${run}-${at}@bench.example`
      await api.json('/api/v1/users', { method: 'POST', headers: admin, body: { email, passwordHash: { scheme: 'bcrypt', hash: stored } } })
      const { accessToken } = await api.json<{ accessToken: string }>('/api/v1/auth/login', { method: 'POST', body: { email, password: PASSWORD } })
      const { id, secret } = await api.json<{ id: string; secret: string }>('/api/v1/me/factors/totp', { method: 'POST', headers: bearer(accessToken), body: { name: 'Phone' } })
      await api.json(`/api/v1/me/factors/totp/${id}/confirm`, { method: 'POST', headers: bearer(accessToken), body: { code: codeOf(secret, -1) } })
      people.push({ email, secret })
    }
    // the same without a second factor, and the program is warm
    const plain = { email: `mfa-${run}@bench.example`, password: PASSWORD, endOldest: true }
    await api.json('/api/v1/users', { method: 'POST', headers: admin, body: { email: plain.email, passwordHash: { scheme: 'bcrypt', hash: stored } } })
    const plainBefore = cpuSeconds(serverPid) ?? 0
    for (let at = 0; at < PEOPLE; at += 1) await api.json('/api/v1/auth/login', { method: 'POST', body: plain })
    const plainMs = ((cpuSeconds(serverPid) ?? 0) - plainBefore) * 1_000 / PEOPLE
    const [serverBefore, allBefore] = [cpuSeconds(serverPid) ?? 0, coreSecondsOf(serverPid) ?? 0]
    for (const { email, secret } of people) {
      const { challenge } = await api.json<{ challenge: string }>('/api/v1/auth/login', { method: 'POST', body: { email, password: PASSWORD } })
      await api.json('/api/v1/auth/mfa', { method: 'POST', body: { challenge, method: 'totp', code: codeOf(secret, 1) } })
    }
    const [serverMs, allMs] = [((cpuSeconds(serverPid) ?? 0) - serverBefore) * 1_000 / PEOPLE, ((coreSecondsOf(serverPid) ?? 0) - allBefore) * 1_000 / PEOPLE]
    const besideMs = await hashMs(stored)
    return {
      figures: [
        { label: 'a sign-in with a code, both steps, of a core beside the hash: the server', value: serverMs - besideMs, unit: 'ms', digits: 2, target: TARGET_MS },
        { label: 'a sign-in without one, in the same run: the server', value: plainMs - besideMs, unit: 'ms', digits: 2, target: null },
        { label: 'the one with a code with its embedded PostgreSQL', value: allMs - besideMs, unit: 'ms', digits: 2, target: null },
      ],
      details: { serverMs, allMs, plainMs, besideMs, people: PEOPLE },
    }
  } finally {
    await withPool(bench, (pool) => pool.query('DELETE FROM users WHERE email LIKE $1', [`mfa-${run}%`]))
  }
}

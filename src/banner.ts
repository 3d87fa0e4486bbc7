// What a started program says to the person who started it. Pure: facts in, text out.
import type { FastState } from './redis/fast.js'

export interface BannerFacts {
  version: string
  /** the origin clients use */
  publicOrigin: string
  /** where this process itself can be reached */
  localOrigin: string
  /** where gateways and Prometheus ask: an origin, or unix:PATH */
  inside: string
  database: string
  redisUrl: string | null
  fast: FastState
  /** why it is degraded, when that is known */
  reason?: string | null
  /** null when the installation has been set up */
  setup: { token: string; password: string } | null
}

/** A URL without the user and the password in it. */
export function withoutCredentials(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

function storeLine({ redisUrl, fast, reason }: BannerFacts): string {
  if (redisUrl === null) return 'in this process (one node)'
  return `${withoutCredentials(redisUrl)}${fast === 'degraded' ? ` (${reason ?? 'does not answer yet'}: degraded)` : ''}`
}

function setupLines(localOrigin: string, { token, password }: { token: string; password: string }): string[] {
  return [
    '',
    'This installation has no administrator yet. Paste this once, with an e-mail and a password of yours if you like:',
    '',
    `curl -X POST ${localOrigin}/api/v1/setup -H 'content-type: application/json' \\`,
    `  -d '${JSON.stringify({ token, email: 'admin@example.com', password })}'`,
    '',
  ]
}

/** The lines to print once the server listens. */
export function banner(facts: BannerFacts): string {
  return [
    `Gatehouse ${facts.version}`,
    `  URL       ${facts.publicOrigin}`,
    `  Docs      ${facts.publicOrigin}/docs`,
    `  Inside    ${facts.inside} (/gate, /metrics)`,
    `  Database  ${facts.database}`,
    `  Store     ${storeLine(facts)}`,
    ...(facts.setup ? setupLines(facts.localOrigin, facts.setup) : []),
  ].join('\n')
}

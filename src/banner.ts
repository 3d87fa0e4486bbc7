// What a started program says to the person who started it, or to whatever gathers its log. Pure: facts in, text or fields out.
import { describeRedisUrl } from './kernel/redis-url.js'
import type { SharedStoreState } from './shared-store/shared-store.js'

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
  sharedStore: SharedStoreState
  /** why it is degraded, when that is known */
  reason?: string | null
  /** null when the installation has been set up */
  setup: { token: string; password: string } | null
}

function storeLine({ redisUrl, sharedStore, reason }: BannerFacts): string {
  if (redisUrl === null) return 'in this process (one node)'
  return `${describeRedisUrl(redisUrl)}${sharedStore === 'degraded' ? ` (${reason ?? 'does not answer yet'}: degraded)` : ''}`
}

const SETUP_PATH = '/api/v1/setup'

function setupBody({ token, password }: { token: string; password: string }): { token: string; email: string; password: string } {
  return { token, email: 'admin@example.com', password }
}

function setupLines(localOrigin: string, setup: { token: string; password: string }): string[] {
  return [
    '',
    'This installation has no administrator yet. Paste this once, with an e-mail and a password of yours if you like:',
    '',
    `curl -X POST ${localOrigin}${SETUP_PATH} -H 'content-type: application/json' \\`,
    `  -d '${JSON.stringify(setupBody(setup))}'`,
    '',
  ]
}

/** The same for a log: the fields of its one line. */
export function startFields(facts: BannerFacts): Record<string, unknown> {
  const { version, publicOrigin, localOrigin, inside, database, setup } = facts
  return {
    version, url: publicOrigin, docs: `${publicOrigin}/docs`, listensAt: localOrigin, inside, database, store: storeLine(facts),
    // the token opens nothing once it was used; `npm run setup:token` shows it as well
    ...(setup === null ? {} : { setup: { post: `${localOrigin}${SETUP_PATH}`, body: setupBody(setup) } }),
  }
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

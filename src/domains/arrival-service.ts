// Letting people in by the domains of organizations, and looking the domains' records up again. Whoever comes in is judged at that moment: the account active, its address
// confirmed and at a proven domain that lets in, never in the organization before, and the domain's record there within the hour. They are told of it by mail.
import type { AuditStore } from '../audit/index.js'
import type { AuthorityService } from '../authority/index.js'
import type { Transact } from '../database/transaction.js'
import type { Clock } from '../kernel/clock.js'
import { isProblem } from '../kernel/errors.js'
import type { Caller } from '../kernel/principal.js'
import type { MailService } from '../mail/index.js'
import type { MemberService } from '../organizations/index.js'
import { isFresh, isLost, MOST_ENLISTED, newToken, recordOf, seenAgain, UNPROVEN_MS } from './domain-rules.js'
import type { DomainRow, DomainStore } from './domain-store.js'
import type { RecordLookup } from './record-lookup.js'

export interface ArrivalService {
  /** Looks at those whose address was confirmed. Throws, at the end, what kept any of them from it. */
  takeIn: () => Promise<void>
  /** Looks up the records of proven domains that are due, and ends what is lost. */
  checkDomains: () => Promise<void>
}

export interface ArrivalServiceDeps {
  store: DomainStore
  lookup: RecordLookup
  members: Pick<MemberService, 'takeIn'>
  authority: AuthorityService
  audit: AuditStore
  mail: Pick<MailService, 'tell'>
  transact: Transact
  clock: Clock
  /** days without its record after which a domain is lost */
  keptDays: number
}

const ITSELF: Caller = { principal: null, host: true, address: '', userAgent: '', requestId: 'domains' }
const MOST = 100
const MOST_CHECKED = 20
const CHECKING_MS = 600_000
const AGAIN_MS = 300_000
const MOST_TRIES = 12
const LANES = 4

/** A few at a time, so that none is kept by one that nobody answers for. Throws, at the end, what the first of them threw. */
async function each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all]
  const lane = async (): Promise<unknown[]> => {
    const failures: unknown[] = []
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one).catch((error: unknown) => void failures.push(error))
    return failures
  }
  const [failure] = (await Promise.all(Array.from({ length: LANES }, lane))).flat()
  if (failure !== undefined) throw failure
}

export function createArrivalService({ store, lookup, members, authority, audit, mail, transact, clock, keptDays }: ArrivalServiceDeps): ArrivalService {
  const now = (): Date => new Date(clock.now())

  async function lookAgain(row: DomainRow): Promise<DomainRow> {
    const seen = seenAgain(row, await lookup.look(recordOf(row), row.organizationId), now())
    await store.note(row.id, seen, now())
    return { ...row, ...seen }
  }

  /** Whoever may not come in is forgotten; false: that cannot be said now. */
  async function takeOne(userId: string): Promise<boolean> {
    const way = await store.wayIn(userId)
    // one that nobody answers for is asked for now and then, however many wait for it
    const isAsked = way?.askedAt != null && clock.now() - way.askedAt.getTime() < AGAIN_MS
    const domain = way && !isFresh(way, now()) && !isAsked ? await lookAgain(way) : way
    if (!domain || domain.missingSince !== null) return store.forget(userId)
    if (!isFresh(domain, now())) return false
    return transact(async (tx) => {
      await authority.hold(tx, ITSELF, { users: [userId] })
      const organization = await members.takeIn(tx, ITSELF, domain.organizationId, userId, async () => {
        const held = await store.wayIn(userId, tx)
        // of the same row as it was seen: another domain is looked at the next time
        if (held?.id !== domain.id || held.token !== domain.token || (await store.wasIn(tx, domain.organizationId, userId))) return null
        return { roles: held.roleIds, issuer: { by: held.issuedBy, via: `domain:${held.id}` }, details: { domain: held.domain } }
      })
      // with their coming in or not at all, and so once
      if (organization !== null) await mail.tell(tx, userId, { kind: 'organization.joined', facts: { organization, domain: domain.domain, at: now().toISOString() } })
      return store.forget(userId, tx)
    })
  }

  async function check(row: DomainRow): Promise<void> {
    const seen = await lookAgain(row)
    if (isLost(seen, keptDays, now())) {
      await transact(async (tx) => {
        if (!(await store.lose(tx, row, newToken(), now(), new Date(clock.now() + UNPROVEN_MS)))) return
        await audit.record(tx, ITSELF, { action: 'organization_domain.lost', targetType: 'organization', targetId: row.organizationId, details: { domain: row.domain } })
      })
    } else if (seen.missingSince === null && row.automatic) await store.enlist(row, MOST_ENLISTED)
  }

  return {
    takeIn: async () => each(await store.arrivals(now(), MOST), async ({ userId, tries }) => {
      try {
        if (!(await takeOne(userId))) await (tries >= MOST_TRIES ? store.forget(userId) : store.postpone(userId, new Date(clock.now() + AGAIN_MS)))
      } catch (error) {
        // nobody waits for room where it is full
        const isFull = isProblem(error, 'organization.full')
        await (isFull ? store.forget(userId) : store.postpone(userId, new Date(clock.now() + AGAIN_MS)))
        if (!isFull) throw error
      }
    }),
    checkDomains: async () => each(await store.takeDue(now(), new Date(clock.now() + CHECKING_MS), MOST_CHECKED), check),
  }
}

// Refusals are what anybody can cause without being allowed anything, so they must not fill the audit log: of the same kind by the
// same caller the first is a row, and then there is one row a minute that says how many there were. Counts only; the store writes.
import type { Caller } from '../kernel/principal.js'
import { countedAddress } from '../kernel/address.js'
import type { Clock } from '../kernel/clock.js'
import type { AuditEntry } from './audit-store.js'

/** Actions that tell of a refusal: deleted in time, while security acts stay. The trigger of audit_events holds the same list. */
export const REFUSALS = ['access.denied', 'login.failed', 'login.throttled', 'password.change_failed'] as const

// a lock-out is noted once for each counter already; what is asked while acting for somebody is no refusal, and stays, but is as many
const FOLDED = new Set<string>([...REFUSALS.filter((action) => action !== 'login.throttled'), 'impersonation.request'])
const MINUTE_MS = 60_000
const TARGETS_NAMED = 10

/** A row to be written: what the caller did last of this kind, with how often and to whom. */
export interface FoldedRefusal {
  key: string
  caller: Caller
  entry: AuditEntry
  count: number
  targetIds: string[]
}

interface Open extends FoldedRefusal {
  sinceMs: number
}

export interface RefusalFolds {
  /** Counts a refusal. True: it is the first of its kind by this caller, to be written now. */
  isFirst: (caller: Caller, entry: AuditEntry) => boolean
  /** What a minute, or with `all` the time until now, has added up; from here on it is counted anew. */
  take: (all?: boolean) => FoldedRefusal[]
  /** Counts again what could not be written. */
  giveBack: (folded: FoldedRefusal) => void
}

/** Is a refusal of this action folded? */
export function isFolded(action: string): boolean {
  return FOLDED.has(action)
}

function keyOf({ principal, address }: Caller, { action, targetType, targetId, details, about }: AuditEntry): string {
  const who = principal ? [principal.type, principal.id, principal.keyId ?? '', principal.act?.sub ?? ''] : [countedAddress(address)]
  // whose password is guessed is told for each account: its owner looks for it there
  // and what was only to be read is not counted together with what was to be changed
  return JSON.stringify([action, details?.['code'] ?? details?.['method'] ?? '', targetType, action === 'access.denied' ? '' : about ?? targetId, ...who])
}

/** The row's details: those of the last refusal, how many there were, and the first ten of their targets when there are several. */
export function foldedEntry({ entry, count, targetIds }: FoldedRefusal): AuditEntry {
  const [only = ''] = targetIds
  return {
    ...entry,
    targetId: targetIds.length > 1 ? '' : only,
    details: { ...entry.details, count, ...(targetIds.length > 1 ? { targets: targetIds } : {}) },
  }
}

/** Counts for one process. Past `maxOpen` kinds and callers at a time, what comes new is counted by action and kind of target alone. */
export function createRefusalFolds({ clock, maxOpen = 2_000 }: { clock: Clock; maxOpen?: number }): RefusalFolds {
  const open = new Map<string, Open>()

  function add(one: Open, targetIds: readonly string[], count: number): void {
    one.count += count
    for (const id of targetIds) if (one.targetIds.length < TARGETS_NAMED && !one.targetIds.includes(id)) one.targetIds.push(id)
  }

  return {
    isFirst(caller, entry) {
      let [key, who, what] = [keyOf(caller, entry), caller, entry]
      if (!open.has(key) && open.size >= maxOpen) {
        who = { principal: null, address: '', userAgent: '', requestId: caller.requestId }
        what = { action: entry.action, targetType: entry.targetType, targetId: '', details: { everybody: true } }
        key = JSON.stringify([entry.action, entry.targetType])
      }
      const known = open.get(key)
      if (known) {
        Object.assign(known, { caller: who, entry: what })
        add(known, [what.targetId], 1)
        return false
      }
      const isOwn = who === caller
      open.set(key, { key, caller: who, entry: what, count: isOwn ? 0 : 1, targetIds: [], sinceMs: clock.now() })
      return isOwn
    },
    take(all = false) {
      const now = clock.now()
      const taken: FoldedRefusal[] = []
      for (const one of open.values()) {
        const isOver = now - one.sinceMs >= MINUTE_MS || now < one.sinceMs
        if (one.count === 0 && isOver) open.delete(one.key)
        if (one.count === 0 || !(isOver || all)) continue
        taken.push({ ...one })
        Object.assign(one, { count: 0, targetIds: [], sinceMs: now })
      }
      return taken
    },
    giveBack(folded) {
      const known = open.get(folded.key)
      if (known) add(known, folded.targetIds, folded.count)
      else open.set(folded.key, { ...folded, sinceMs: clock.now() })
    },
  }
}

// Keys of versions that did not say whether a key was sold: each is judged once, by who issued it according to the audit log. Issued by
// somebody else than its owner, it was sold, and stands; else, or where nobody is named, it is bound to what its owner holds. In batches,
// so that a table of millions is never locked; the count of what goes dark is told before and after.
import type pg from 'pg'

export interface Adoption {
  standing: number
  bound: number
  /** bound, live, and with permissions that their owners do not hold */
  dark: number
}

const BATCH = 2_000

const PENDING = 'SELECT id, owner_user_id, limit_group_id FROM api_keys WHERE issued_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED'

// the first key of a chain of rotations has the chain's id, and is the one that was issued
const JUDGE = `
  WITH pending AS (${PENDING}),
  judged AS (
    SELECT p.id, p.owner_user_id, e.actor_id, e.credential, e.at
    FROM pending p LEFT JOIN LATERAL (
      SELECT actor_id, credential, at FROM audit_events WHERE target_id = p.limit_group_id::text AND action = 'key.issued' ORDER BY at LIMIT 1) e ON true)
  UPDATE api_keys k SET
    kind = (CASE WHEN j.actor_id IS NOT NULL AND j.actor_id <> j.owner_user_id::text
                  AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = j.owner_user_id AND u.kind = 'service') THEN 'standing' ELSE 'bound' END)::key_kind,
    issued_by = CASE WHEN j.actor_id ~ '^[0-9a-f-]{36}$' THEN j.actor_id::uuid END, issued_via = j.credential, issued_at = coalesce(j.at, k.created_at),
    secret_to = CASE WHEN k.id = k.limit_group_id AND j.actor_id ~ '^[0-9a-f-]{36}$' THEN j.actor_id::uuid END, secret_via = CASE WHEN k.id = k.limit_group_id THEN j.credential END,
    secret_at = CASE WHEN k.id = k.limit_group_id THEN coalesce(j.at, k.created_at) END
  FROM judged j WHERE k.id = j.id
  RETURNING k.kind::text AS kind,
    k.kind = 'bound' AND k.revoked_at IS NULL AND coalesce(k.expires_at, 'infinity') > now() AND EXISTS (
      SELECT 1 FROM unnest(k.permissions) p WHERE NOT EXISTS (
        SELECT 1 FROM effective_roles r JOIN roles x ON x.name = r.role_name, unnest(x.permissions) g WHERE r.user_id = k.owner_user_id AND permission_covers(g, p))) AS dark`

const EXPECTED = `
  SELECT count(*)::int AS keys FROM (SELECT 1 FROM api_keys WHERE issued_at IS NULL LIMIT 100000) k`

/** Judges every key that has not been judged. `tell` hears how many there are before, and what came of it after; nothing when there are none. */
export async function adoptKeys(pool: pg.Pool, tell: (line: string) => void): Promise<Adoption> {
  const sum: Adoption = { standing: 0, bound: 0, dark: 0 }
  const { rows: [expected] } = await pool.query<{ keys: number }>(EXPECTED)
  if (!expected || expected.keys === 0) return sum
  tell(`Judging ${expected.keys === 100_000 ? '100,000 or more' : expected.keys} keys of an older version: sold ones stand, the rest are bound to what their owners hold`)
  for (;;) {
    const { rows } = await pool.query<{ kind: 'standing' | 'bound'; dark: boolean }>(JUDGE, [BATCH])
    if (rows.length === 0) break
    for (const { kind, dark } of rows) {
      sum[kind] += 1
      if (dark) sum.dark += 1
    }
  }
  tell(`Keys judged: ${sum.standing} standing, ${sum.bound} bound, of which ${sum.dark} carry permissions that their owners do not hold and are worth less from now on (GET /api/v1/keys shows them as dormant; npm run admin -- keys adopt makes chosen ones standing)`)
  return sum
}

// The statements of a sign-in: one reads all that is looked at before the password is hashed, one waits for all that has to be waited for,
// and one writes it all, its session, its audit row and what else goes along with it.
import type pg from 'pg'
import { bytes, renamed, together } from '../database/along.js'
import { Prisma, type PrismaClient } from '../database/generated/client.js'
import { prepared } from '../database/prepared.js'
import type { Along, Piece, Tx } from '../database/transaction.js'
import type { AccountCredentials, AccountRow, AccountStore } from './account-store.js'
import type { Acquaintance } from './device-rules.js'

export interface FoundAccount {
  /** null: there is no account under that e-mail */
  account: AccountCredentials | null
  acquaintance: Acquaintance
}

export interface SignInNote {
  id: string
  /** the hash that was found right: the sign-in counts only while it is the account's; null when something else than a password was proven */
  checkedHash: string | null
  at: Date
  /** of the same password, to be kept instead */
  renewedHash?: string | undefined
  /** has a second factor been proven already? */
  isMultiFactor: boolean
  /** may it open a session? */
  room: Piece
  whenOpened: readonly Along[]
  /** the account has a second factor, which was not proven */
  whenChallenged: readonly Along[]
  whenEither: readonly Along[]
}

export type NotedSignIn = { account: AccountRow; isDeviceRenewed: boolean } | { methods: string[] }

export interface SignInStore {
  /**
   * The account under the first of the spellings that is one's, its device with that hash, or else the addresses of its last two hundred sign-ins
   * since `since`. Where there is no account, nobody's are looked for: the same look-ups, with the same result as for a new account.
   */
  find: (spellings: readonly string[], deviceHash: Uint8Array | null, now: Date, since: Date) => Promise<FoundAccount>
  /** The user's device with that hash. */
  findDevice: (userId: string, deviceHash: Uint8Array, now: Date) => Promise<string | null>
  /** Waits for grants under way as this user, for who else changes or signs in to the account, and for the counters in their order; until the transaction ends. */
  lock: (tx: Tx, id: string, counters: readonly string[]) => Promise<void>
  /**
   * After `lock`: notes a sign-in of an account that is still an active person's and still has the password that was checked, and writes what goes
   * along; or, where a second factor is wanting, what goes along with that. `refused`: it is not, or has not; `full`: there is no room. Then nothing is written.
   */
  note: (tx: Tx, note: SignInNote) => Promise<NotedSignIn | 'refused' | 'full'>
}

const NOBODY = "coalesce(u.id, '00000000-0000-7000-8000-000000000000')"
const FIND = `
  SELECT u.id, u.email, u.name, u.status, u."passwordHash", d.id AS "deviceId",
    CASE WHEN d.id IS NULL THEN ARRAY(
      SELECT DISTINCT address FROM (SELECT address FROM sessions WHERE user_id = ${NOBODY} AND created_at >= $4::timestamptz ORDER BY created_at DESC LIMIT 200) AS latest
    ) ELSE '{}' END AS addresses
  FROM (SELECT $1::text[] AS spellings) AS typed
  LEFT JOIN LATERAL (
    SELECT id, email, name, status::text AS status, password_hash AS "passwordHash" FROM users WHERE email = ANY(spellings) ORDER BY array_position(spellings, email) LIMIT 1
  ) AS u ON true
  LEFT JOIN LATERAL (SELECT id FROM known_devices WHERE secret_hash = $2::bytea AND user_id = ${NOBODY} AND expires_at > $3::timestamptz) AS d ON true`

type FoundRow = { [K in keyof AccountCredentials]: AccountCredentials[K] | null } & { deviceId: string | null; addresses: string[] }
type NotedRow = AccountRow & { methods: string[] | null; isPassing: boolean; isNoted: boolean; isDeviceRenewed: boolean }

export function createSignInStore({ pool, prisma, accounts }: { pool: pg.Pool; prisma: PrismaClient; accounts: Pick<AccountStore, 'columns'> }): SignInStore {
  return {
    async find(spellings, deviceHash, now, since) {
      const { rows: [row] } = await pool.query<FoundRow>(prepared('sign-in', FIND, [spellings, deviceHash, now.toISOString(), since.toISOString()]))
      if (!row) throw new Error('a sign-in is answered one row')
      const { deviceId, addresses, ...account } = row
      return { account: account.id === null ? null : account as AccountCredentials, acquaintance: { deviceId, addresses } }
    },
    async lock(tx, id, counters) {
      await tx.$executeRaw`SELECT sign_in_lock(${id}::uuid, ${[...counters]}::text[])`
    },
    async findDevice(userId, secretHash, now) {
      const device = await prisma.knownDevice.findFirst({ where: { secretHash: bytes(secretHash), userId, expiresAt: { gt: now } }, select: { id: true } })
      return device?.id ?? null
    },
    async note(tx, { id, checkedHash, at, renewedHash, isMultiFactor, room, whenOpened, whenChallenged, whenEither }) {
      const password = checkedHash === null ? Prisma.sql`true` : Prisma.sql`password_hash = ${checkedHash}`
      const still = Prisma.sql`SELECT id, second_factors(id) AS methods FROM users WHERE id = ${id}::uuid AND status = 'active' AND kind = 'person' AND ${password}`
      const passing = Prisma.sql`SELECT id FROM still WHERE ${isMultiFactor} OR methods = '{}'`
      const renewing = Prisma.sql`password_hash = ${renewedHash ?? checkedHash}`
      // lastLoginAt is shown, so a strong validator must change with it (RFC 9110 8.8.1)
      const noted = Prisma.sql`
        UPDATE users SET last_login_at = ${at}::timestamptz, version = version + 1${checkedHash === null ? Prisma.empty : Prisma.sql`, ${renewing}`}
        WHERE id IN (SELECT id FROM passing) AND ${room} RETURNING ${accounts.columns}`
      const challenged = Prisma.sql`SELECT id FROM still WHERE NOT EXISTS (SELECT FROM passing)`
      const either = Prisma.sql`SELECT id FROM noted UNION ALL SELECT id FROM challenged`
      const renewed = renewedHash === undefined ? {} : { hash_renewed: Prisma.sql`UPDATE users SET ${renewing} WHERE id IN (SELECT id FROM challenged)` }
      const along = [...whenOpened, ...whenChallenged.map((one) => renamed(one, 'challenged')), ...whenEither.map((one) => renamed(one, 'either'))]
      const [row] = await tx.$queryRaw<NotedRow[]>(together({ still, passing, noted, challenged, either, ...renewed }, 'noted', along, Prisma.sql`
        SELECT (SELECT methods FROM still) AS methods, EXISTS (SELECT FROM passing) AS "isPassing", noted.id IS NOT NULL AS "isNoted",
          EXISTS (SELECT FROM device_renewed) AS "isDeviceRenewed", noted.*
        FROM (SELECT 1) AS one LEFT JOIN noted ON true`))
      if (!row || row.methods === null) return 'refused'
      if (!row.isPassing) return { methods: row.methods }
      if (!row.isNoted) return 'full'
      const { methods: _, isPassing: __, isNoted: ___, isDeviceRenewed, ...account } = row
      return { account, isDeviceRenewed }
    },
  }
}

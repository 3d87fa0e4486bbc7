// What the users list is measured against: a process with one route that reads the same page from the same database and writes it by the
// program's own schema, as one would write it by hand with pg, or with Prisma. No credentials, no filters, no signed cursor. The number of
// rows stands in the text of the statement, for with a parameter there PostgreSQL plans it anew each time: the better of two that one may write.
import { PrismaPg } from '@prisma/adapter-pg'
import { fastify } from 'fastify'
import pg from 'pg'
import { PrismaClient } from '../src/database/generated/client.js'
import { answerParent } from './answer-parent.js'
import type { ListRoute } from './protocol.js'

interface User {
  id: string
  email: string | null
  kind: string
  anonymous: boolean
  emailVerified: boolean
  locale: string | null
  name: string | null
  status: string
  roles: string[]
  version: number
  createdAt: Date
  updatedAt: Date
  lastLoginAt: Date
}

type Read = (limit: number) => Promise<User[]>

const SELECT = `
  SELECT id, email, kind::text AS kind, anonymous, email_verified_at IS NOT NULL AS "emailVerified", locale, name, status::text AS status, version, created_at AS "createdAt", updated_at AS "updatedAt", last_login_at AS "lastLoginAt",
         ARRAY(SELECT role_name FROM user_roles WHERE user_id = users.id ORDER BY role_name) AS roles
  FROM users ORDER BY created_at DESC, id DESC LIMIT`

function byPg(connectionString: string, max: number): Read {
  const pool = new pg.Pool({ connectionString, max })
  return async (limit) => (await pool.query<User>({ name: `users-${limit}`, text: `${SELECT} ${limit}` })).rows
}

function byPrisma(connectionString: string, max: number): Read {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max }) })
  return async (limit) => {
    const users = await prisma.user.findMany({
      take: limit, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], omit: { passwordHash: true, issuedBy: true, issuedVia: true },
      include: { roles: { select: { roleName: true }, orderBy: { roleName: 'asc' } } },
    })
    return users.map(({ roles, emailVerifiedAt, ...user }) => ({ ...user, emailVerified: emailVerifiedAt !== null, roles: roles.map(({ roleName }) => roleName) }))
  }
}

function viewOf({ email, kind, name, createdAt, updatedAt, lastLoginAt, ...user }: User): object {
  return {
    ...user, kind, email: kind === 'service' ? null : email, name: name === '' ? null : name, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString(),
    lastLoginAt: lastLoginAt.getTime() === 0 ? null : lastLoginAt.toISOString(),
  }
}

async function serve({ by, databaseUrl, poolMax, path, schema }: ListRoute): Promise<string> {
  const app = fastify({ ajv: { customOptions: { coerceTypes: true, removeAdditional: false, keywords: ['example'] } } })
  const read = by === 'pg' ? byPg(databaseUrl, poolMax) : byPrisma(databaseUrl, poolMax)
  app.get<{ Querystring: { limit?: number } }>(path, { schema }, async ({ query: { limit = 50 } }) => {
    const rows = await read(limit + 1)
    const last = rows.length > limit ? rows[limit - 1] : undefined
    const nextCursor = last ? Buffer.from(JSON.stringify([last.createdAt, last.id])).toString('base64url') : null
    return { data: rows.slice(0, limit).map(viewOf), page: { nextCursor, limit } }
  })
  return app.listen({ host: '127.0.0.1', port: 0 })
}

answerParent(serve)

// Health, metrics and the API's own description.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

t.test('operations', async (t) => {
  const { app, as, clock, database } = await startApp(t)

  t.test('/livez and /readyz say what they know', async (t) => {
    t.same(expectJson(await app.inject('/livez'), 200), { status: 'ok' })
    t.same(expectJson(await app.inject('/readyz'), 200), { status: 'ok', checks: { database: 'ok', migrations: 'ok', redis: 'off' } })
  })

  t.test('/readyz fails when a migration is missing, and checks at most once a second', async (t) => {
    clock.advance(1_000)
    await database.pool.query(`UPDATE _prisma_migrations SET migration_name = migration_name || '_other'`)
    t.match(expectJson(await app.inject('/readyz'), 503), { status: 'failed', checks: { database: 'ok', migrations: 'failed' } })
    await database.pool.query(`UPDATE _prisma_migrations SET migration_name = replace(migration_name, '_other', '')`)
    t.equal((await app.inject('/readyz')).statusCode, 503, 'within the second the answer stands')
    clock.advance(1_000)
    t.equal((await app.inject('/readyz')).statusCode, 200)
  })

  t.test('/metrics counts by route pattern and status', async (t) => {
    await app.inject('/api/v1/users/0190a000-0000-7000-8000-000000000000')
    const { body, headers } = await app.inside.inject('/metrics')
    t.match(headers['content-type'], /^text\/plain/)
    t.match(body, /gatehouse_http_requests_total\{method="GET",route="\/api\/v1\/users\/:id",status="401"\} 1/)
    t.match(body, /gatehouse_http_request_seconds_bucket/)
    t.match(body, /gatehouse_database_connections\{state="idle"\}/)
    t.match(body, /nodejs_eventloop_lag_seconds/)
    t.notMatch(body, /0190a000/, 'no id gets into a label')
  })

  t.test('/metrics is closed to forwarded and remote requests without the permission', async (t) => {
    const forwarded = { 'x-forwarded-for': '203.0.113.9' }
    t.equal((await app.inside.inject({ url: '/metrics', headers: forwarded })).statusCode, 401)
    t.equal((await app.inside.inject({ url: '/metrics', remoteAddress: '203.0.113.9' })).statusCode, 401)
    for (const name of ['Forwarded', 'Via', 'X-Real-IP', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Port', 'X-Forwarded-Prefix', 'X-Forwarded-Server']) {
      t.equal((await app.inside.inject({ url: '/metrics', headers: { [name]: 'x' } })).statusCode, 401, `${name} alone`)
    }
    t.equal((await app.inside.inject('/metrics')).statusCode, 200)
    const member = await as.signUp()
    t.equal((await app.inside.inject({ url: '/metrics', headers: { ...forwarded, ...member.headers } })).statusCode, 403)
    const key = await as.key(['gatehouse:metrics.read'])
    t.equal((await app.inside.inject({ url: '/metrics', headers: { ...forwarded, ...key.headers } })).statusCode, 200)
  })

  t.test('/docs and /openapi.json answer without a credential', async (t) => {
    t.equal((await app.inject('/docs')).statusCode, 200)
    const document = expectJson<{ openapi: string; paths: Record<string, unknown> }>(await app.inject('/openapi.json'), 200)
    t.match(document.openapi, /^3\.1/)
    t.ok(document.paths['/api/v1/keys/verify'])
  })

  t.test('the database lost: 503 with Retry-After, no credential let through, and recovery by itself', async (t) => {
    const key = await as.key(['gatehouse:keys.verify'])
    await database.pool.end()
    const response = await app.inject({ url: '/api/v1/whoami', headers: key.headers })
    t.match(expectJson(response, 503), { code: 'database.unavailable' })
    t.equal(response.headers['retry-after'], '1')
    t.equal((await app.inject('/livez')).statusCode, 200)
  })
})

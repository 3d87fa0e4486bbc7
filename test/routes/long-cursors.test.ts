// The longest values that a list is sorted by: the cursors they give are taken back.
import t from 'tap'
import { expectJson, startApp } from '../support/app.js'

interface List {
  data: { id: string; name: string }[]
  page: { nextCursor: string | null }
}

/** 200 characters of four bytes each; they differ in the last two. */
function longName(at: number): string {
  return '\u{1f511}'.repeat(198) + String.fromCodePoint(0x1f600 + (at % 5), 0x1f600 + at)
}

t.test('lists sorted by text of 200 four-byte characters are read page by page: no row twice, none missed, every cursor taken', async (t) => {
  const { app, as } = await startApp(t, { config: { keysPerOwner: 100 } })
  const { headers } = await as.adminUser()
  const names = Array.from({ length: 13 }, (_, at) => longName(at))
  for (const [at, name] of names.entries()) {
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload: { name } }), 201)
    // a local part of 64 and the longest domain that fits, so that both sort values are as long as they come
    const email = `${String(at).padStart(2, '0')}${'\u00e9'.repeat(62)}@${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(56)}.example`
    expectJson(await app.inject({ method: 'POST', url: '/api/v1/users', headers, payload: { email, name } }), 201)
  }
  const walk = async (path: string, limit: number): Promise<{ names: string[]; ids: string[]; longest: number }> => {
    const found = { names: [] as string[], ids: [] as string[], longest: 0 }
    let cursor: string | null = null
    do {
      const page: List = expectJson<List>(await app.inject({ url: `/api/v1${path}&limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`, headers }), 200)
      found.names.push(...page.data.map(({ name }) => name))
      found.ids.push(...page.data.map(({ id }) => id))
      cursor = page.page.nextCursor
      found.longest = Math.max(found.longest, cursor?.length ?? 0)
    } while (cursor !== null && found.ids.length < 100)
    return found
  }
  for (const path of ['/keys?sort=name', '/keys?sort=-name,createdAt', '/users?sort=name', '/users?sort=-name,email', '/users?sort=email,-name']) {
    const whole = await walk(path, 200)
    t.equal(whole.ids.length, path.startsWith('/users') ? names.length + 1 : names.length)
    for (const limit of [1, 3, 5]) {
      const { ids, names: read, longest } = await walk(path, limit)
      t.same(ids, whole.ids, `${path} by ${limit}`)
      t.equal(new Set(ids).size, ids.length, 'no row twice')
      t.same(names.filter((name) => !read.includes(name)), [], 'none missed')
      t.ok(longest > 1_000, `cursors of up to ${longest} characters`)
    }
  }
})

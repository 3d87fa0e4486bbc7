// The token endpoint while nodes are killed: the built program, SIGKILL at any moment while codes are redeemed, grants refreshed and given back. No grant that was
// acknowledged is lost, none that was given back lives, and a code that nobody got tokens for leaves nothing alive. test/race/oauth-killed.test.ts goes statement by statement.
import t from 'tap'
import { expectJson, SECRET, startApp } from '../support/app.js'
import { liveClock } from '../support/clock.js'
import { basic, CALLBACK, type Form, formOf, oauthHouse, personOf, requestOf, type TokenBody } from '../support/oauth.js'
import { emptyFolder, launch, type Program } from '../support/program.js'

const PUBLIC_URL = 'http://localhost:3000'
const KILLS = 3
const REFRESHING = 6
// with those above fewer than the fifty grants of a client that live
const GIVEN_BACK = 18
const CODES = 24
const ANSWERS_BEFORE = 40

t.test('a node that is killed while tokens are asked for', { timeout: 240_000 }, async (t) => {
  const house = await startApp(t, { config: { publicUrl: PUBLIC_URL }, clock: liveClock() })
  const { app, as, database } = house
  const { post, client } = await oauthHouse(house)
  const web = await client({ kind: 'web', redirectUris: [CALLBACK], firstParty: true })
  const own = basic(web.clientId, web.clientSecret ?? '')
  const person = personOf(app, (await as.signUp()).user.email)
  await person.signIn()
  const codeForm = async (): Promise<Form> => {
    const { query, redeem } = requestOf(web, { scope: 'openid offline_access' })
    return redeem((await person.open(query)).back?.get('code') ?? '')
  }
  const grants = async (count: number): Promise<string[]> => {
    const tokens: string[] = []
    for (let at = 0; at < count; at += 1) tokens.push(expectJson<TokenBody>(await post('token', await codeForm(), own), 200).refresh_token ?? '') // oxlint-disable-line no-await-in-loop
    return tokens
  }

  let origin = ''
  let answers = 0
  let enough: () => void = () => undefined
  /** The status and body of an answer; null: the node is gone. */
  async function ask(endpoint: string, fields: Form): Promise<{ status: number; body: string } | null> {
    try {
      const response = await fetch(`${origin}/oauth/${endpoint}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...own }, body: formOf(fields) })
      const answer = { status: response.status, body: await response.text() }
      answers += 1
      if (answers >= ANSWERS_BEFORE) enough()
      return answer
    } catch {
      return null
    }
  }

  // what each has been told last
  const refreshed = (await grants(REFRESHING)).map((token) => ({ token, rotations: 0 }))
  const givenBack: { token: string; sent: boolean; acknowledged: boolean }[] = (await grants(GIVEN_BACK)).map((token) => ({ token, sent: false, acknowledged: false }))
  const codes: { form: Form; tokens: TokenBody | null; refused: boolean; sent: boolean }[] = []
  for (let at = 0; at < CODES; at += 1) codes.push({ form: await codeForm(), tokens: null, refused: false, sent: false }) // oxlint-disable-line no-await-in-loop

  async function refreshUntilGone(one: { token: string; rotations: number }): Promise<void> {
    for (;;) {
      const answer = await ask('token', { grant_type: 'refresh_token', refresh_token: one.token }) // oxlint-disable-line no-await-in-loop
      if (!answer) return
      t.equal(answer.status, 200, 'what was acknowledged goes on')
      one.token = (JSON.parse(answer.body) as TokenBody).refresh_token ?? ''
      one.rotations += 1
    }
  }
  async function giveBackUntilGone(): Promise<void> {
    for (const one of givenBack.filter(({ acknowledged }) => !acknowledged)) {
      one.sent = true
      const answer = await ask('revoke', { token: one.token }) // oxlint-disable-line no-await-in-loop
      if (!answer) return
      t.equal(answer.status, 200)
      one.acknowledged = true
    }
  }
  async function redeemUntilGone(): Promise<void> {
    for (const one of codes.filter(({ tokens, refused }) => tokens === null && !refused)) {
      one.sent = true
      const answer = await ask('token', one.form) // oxlint-disable-line no-await-in-loop
      if (!answer) return
      if (answer.status === 200) one.tokens = JSON.parse(answer.body) as TokenBody
      else one.refused = true
    }
  }

  async function killed(program: Program): Promise<void> {
    origin = await program.listening
    answers = 0
    const answered = new Promise<void>((resolve) => (enough = resolve))
    const asking = Promise.all([...refreshed.map(refreshUntilGone), giveBackUntilGone(), redeemUntilGone()])
    await answered
    program.child.kill('SIGKILL')
    await Promise.all([program.exit, asking])
  }
  const variables = { DATABASE_URL: database.url, GATEHOUSE_SECRET: SECRET, PUBLIC_URL }
  for (let round = 0; round < KILLS; round += 1) await killed(launch(t, emptyFolder(t), variables)) // oxlint-disable-line no-await-in-loop

  await app.revocations.pollNow()
  const refresh = (token: string) => post('token', { grant_type: 'refresh_token', refresh_token: token }, own)
  const isAlive = async ({ access_token: token }: TokenBody): Promise<boolean> => (await app.inject({ url: '/oauth/userinfo', headers: as.bearer(token) })).statusCode === 200
  const live = () => database.prisma.session.count({ where: { kind: 'grant', endedAt: null } })

  t.ok(refreshed.every(({ rotations }) => rotations > 1), `${refreshed.map(({ rotations }) => rotations).join(', ')} rotations`)
  for (const { token } of refreshed) expectJson<TokenBody>(await refresh(token), 200) // oxlint-disable-line no-await-in-loop
  t.ok(givenBack.some(({ acknowledged }) => acknowledged), 'some were given back')
  for (const { token, acknowledged } of givenBack) {
    if (acknowledged) t.equal((await refresh(token)).statusCode, 400, 'what was given back stays so') // oxlint-disable-line no-await-in-loop
  }
  const told = codes.flatMap(({ tokens }) => tokens ?? [])
  t.ok(told.length > 0, `${told.length} of ${codes.length} codes were redeemed`)
  for (const tokens of told) t.ok(await isAlive(tokens), 'whoever was told of tokens has them') // oxlint-disable-line no-await-in-loop
  // whoever was not asks once more, and gets tokens by a code that had not counted; one that had ends what it has made
  for (const one of codes.filter(({ tokens, sent }) => sent && tokens === null)) {
    const answer = await post('token', one.form, own) // oxlint-disable-line no-await-in-loop
    if (answer.statusCode === 200) told.push(answer.json<TokenBody>())
  }
  for (const { token, sent, acknowledged } of givenBack) if (sent && !acknowledged) t.equal((await post('revoke', { token }, own)).statusCode, 200) // oxlint-disable-line no-await-in-loop
  t.equal(await live(), refreshed.length + givenBack.filter(({ sent }) => !sent).length + told.length, 'nothing lives that nobody was told of')
})

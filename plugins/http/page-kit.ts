// What the routes of hosted pages share: how a form is described, and what of an error is said beside it.
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { OpenCookie, OpenedCookie } from '../../src/accounts/index.js'
import { AppError, type ErrorCode } from '../../src/kernel/errors.js'
import type { Caller } from '../../src/kernel/principal.js'
import { DONE, type Done, type FormFault, type FormProblem, SENT, type Sent } from '../../src/pages/index.js'

export { localPath } from '../../src/pages/index.js'

interface FieldOptions {
  maxLength: number
  /** text that is shown to others: see plugins/http/validation.ts */
  'x-text'?: 'name'
  pattern?: string
}

/** An id, or nothing. */
export const IdField: FieldOptions = { maxLength: 36, pattern: '^([0-9a-f-]{36})?$' }

/** A form: its fields with how many characters each may have. What is not sent is empty; what is not named is refused. */
export function form<Name extends string>(fields: Record<Name, number | FieldOptions>) {
  const properties = Object.fromEntries(Object.entries<number | FieldOptions>({ ...fields, csrf: 200 }).map(([name, field]) => {
    return [name, { type: 'string', default: '', ...(typeof field === 'number' ? { maxLength: field } : field) }]
  }))
  return Type.Unsafe<Record<Name | 'csrf', string>>({ type: 'object', properties, additionalProperties: false })
}

/** A page, with where to go once it is done. */
export function onward(path: string, returnTo: string): string {
  return returnTo === '' ? path : `${path}?${new URLSearchParams({ return_to: returnTo }).toString()}`
}

/** What has just been done, as the address of the page says it: one of our words, or nothing. */
export function doneOf(asked: string): Done | null {
  return DONE.find((one) => one === asked) ?? null
}

type Known = Partial<Record<ErrorCode, FormFault | readonly [FormFault, string]>>

/** After which form it is that a mail is said to be on its way: one of our words, or nothing. */
export function sentOf(asked: string): Sent | null {
  return SENT.find((one) => one === asked) ?? null
}

// what any form may meet
const ANYWHERE: Known = { 'server.busy': 'busy', 'rate.limited': 'rate' }

/** What is wrong with a form, for an error that the form can say; any other is thrown on. `known`: the words, and the field it is about. */
export function formProblem(error: unknown, nowMs: number, known: Known): FormProblem {
  const found = error instanceof AppError ? (known[error.code] ?? ANYWHERE[error.code]) : undefined
  if (found === undefined || !(error instanceof AppError)) throw error
  const [code, at] = typeof found === 'string' ? [found] : found
  const { retryAfterSeconds } = error
  return {
    code, ...(at === undefined ? {} : { at }),
    // a whole minute later at the most: who reads it has no second hand
    ...(retryAfterSeconds === undefined ? {} : { until: new Date(Math.ceil((nowMs + retryAfterSeconds * 1_000) / 60_000) * 60_000).toISOString() }),
  }
}

/** The first of these fields that is empty, as what is wrong with the form. */
export function missing(fields: Readonly<Record<string, string>>): FormProblem | null {
  const at = Object.keys(fields).find((name) => fields[name]?.trim() === '')
  return at === undefined ? null : { code: 'missing', at }
}

export interface AccountOpening {
  /** of the page, below /ui, and of the cookie that the link's token goes into */
  by: 'confirm' | 'invitation'
  /** the route of the API that does the same: guesses and hashing of an address are counted together with its */
  counted: string
  /** Throws signup.closed. */
  requireOpen: () => Promise<void>
  emailOf: (token: string) => Promise<string | null>
  open: (caller: Caller, input: { token: string; password: string; name?: string }, how: OpenCookie) => Promise<OpenedCookie>
  /** what is said when the link is no good */
  isVoid: readonly ErrorCode[]
}

const OpeningForm = form({ email: 320, name: { maxLength: 200, 'x-text': 'name' }, 'new-password': 1024 })
const TOKEN_KEPT_SECONDS = 3_600

/** The page that opens an account by a mailed link, and signs in to it. The link's token goes from the address into a cookie before anything is shown; looking uses nothing up. */
export function accountOpening(openingOf: (app: FastifyInstance) => AccountOpening): FastifyPluginAsync {
  const pages: FastifyPluginAsyncTypebox = async (app) => {
    const { clock, sessions } = app
    const { by, counted, requireOpen, emailOf, open, isVoid } = openingOf(app)
    const known: Known = { 'password.weak': ['password.weak', 'new-password'], 'email.taken': 'email.has-account', ...Object.fromEntries(isVoid.map((code) => [code, 'mail.void'])) }

    app.get('/', { config: { access: ['public'] }, preHandler: () => requireOpen() }, async (request, reply) => {
      const token = request.asked('token')
      if (token !== '') return reply.keep(by, token, TOKEN_KEPT_SECONDS).onward(`/ui/${by}`)
      const email = await emailOf(request.kept(by))
      return email === null ? reply.code(410).show('link-void', {}) : reply.show('open-account', { by, email, name: '', problem: null })
    })

    app.post('/', {
      schema: { body: OpeningForm }, config: { access: ['public'], rateLimit: { max: 60, timeWindow: 60_000, groupId: counted } }, preParsing: () => requireOpen(),
    }, async (request, reply) => {
      const { email, name, 'new-password': password } = request.body
      try {
        const empty = missing({ 'new-password': password })
        if (empty) return await reply.code(422).show('open-account', { by, email, name, problem: empty })
        const done = await request.openCookie(async (cookieSecret, replaced) => {
          const signedIn = await open(request.caller, { token: request.kept(by), password, ...(name.trim() === '' ? {} : { name }) }, { kind: 'cookie', cookieSecret })
          if (replaced) await sessions.endReplaced(request.caller, replaced)
          return signedIn
        })
        return reply.rememberDevice(done.deviceToken).drop(by).onward('/ui/account')
      } catch (error) {
        const problem = formProblem(error, clock.now(), known)
        if (problem.code === 'mail.void') return reply.drop(by).code(410).show('link-void', {})
        return reply.code(422).show('open-account', { by, email, name, problem })
      }
    })
  }
  return pages
}

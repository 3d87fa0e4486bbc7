// What the routes of hosted pages share: how a form is described, and what of an error is said beside it.
import { Type } from '@sinclair/typebox'
import { AppError, type ErrorCode } from '../../src/kernel/errors.js'
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

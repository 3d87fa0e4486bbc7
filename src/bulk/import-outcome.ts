// What has come of a row. Pure.
import { AppError, type FieldError } from '../kernel/errors.js'

export type Outcome = { status: 'created' | 'updated' | 'unchanged'; id: string } | { status: 'failed'; code: string; detail?: string; errors?: FieldError[] }

/** One row's trouble as its outcome. Throws what passes (the database, too much to do): it ends the import, to be gone on with later. */
export function failureOf(error: unknown): Outcome {
  if (!(error instanceof AppError) || error.statusCode >= 500 || error.code === 'rate.limited') throw error
  return { status: 'failed', code: error.code, ...(error.detail === undefined ? {} : { detail: error.detail }), ...(error.errors ? { errors: error.errors } : {}) }
}

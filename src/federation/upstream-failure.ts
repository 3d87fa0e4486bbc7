// What went wrong at a provider, as this program answers it: it cannot be reached, its person said no, or it cannot be believed. The details are for
// the log: an answer that told them would teach a forger.
import { BrokenCircuitError } from 'cockatiel'
import { AuthorizationResponseError, ResponseBodyError } from 'openid-client'
import { AppError, problem } from '../kernel/errors.js'
import { OutboundError } from '../outbound/index.js'

/** A provider that answers with an error of its own (5xx) is as good as away. */
export class UpstreamFault extends Error {
  constructor(status: number) {
    super(`the provider answered ${status}`)
    this.name = 'UpstreamFault'
  }
}

const AWAY = new Set(['server_error', 'temporarily_unavailable'])
const DEEPEST = 5

/** The causes of an error, itself first. */
function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = []
  for (let one = error; one !== undefined && one !== null && causes.length < DEEPEST; one = one instanceof Error ? one.cause : undefined) causes.push(one)
  return causes
}

/** Is it the provider's being away, and not what it says? */
export function isAway(error: unknown): boolean {
  return causesOf(error).some((one) => one instanceof UpstreamFault || one instanceof BrokenCircuitError || (one instanceof OutboundError && one.reason !== 'refused'))
}

/** `provider.unavailable`, `federation.denied` or `federation.refused`; the message of its cause is one line for the log. */
export function failureOf(error: unknown): AppError {
  const cause = new Error(reasonOf(error), { cause: error })
  if (error instanceof AppError) return error.cause === undefined ? error : problem(error.code, { cause: new Error(reasonOf(error.cause), { cause: error.cause }) })
  const answered = causesOf(error).find((one) => one instanceof AuthorizationResponseError)
  if (answered instanceof AuthorizationResponseError) {
    if (answered.error === 'access_denied') return problem('federation.denied', { cause })
    if (AWAY.has(answered.error)) return problem('provider.unavailable', { cause })
  }
  return problem(isAway(error) ? 'provider.unavailable' : 'federation.refused', { cause })
}

const WORDS = /^[\w .,:;'"()/-]{1,200}$/

/** One line for the log: never a token, a code or a claim. */
export function reasonOf(error: unknown): string {
  const reasons = causesOf(error).flatMap((one) => {
    if (one instanceof ResponseBodyError || one instanceof AuthorizationResponseError) return WORDS.test(one.error) ? [`the provider said ${one.error}`] : []
    return one instanceof Error && WORDS.test(one.message) ? [one.message] : []
  })
  return [...new Set(reasons)].join(': ').slice(0, 300) || 'unknown'
}

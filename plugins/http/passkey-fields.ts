// What an authenticator has answered, as a form brings it: one field of JSON, which is held to the very schemas of the API's routes.
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { problem } from '../../src/kernel/errors.js'
import { assertionOf, registrationOf } from './route-kit.js'

/** as many characters as a form may bring in it */
export const CREDENTIAL_LENGTH = 16_000

const Text = Type.String({ maxLength: 12_000, pattern: '^[\\w-]*$' })
const Base = { id: Text, rawId: Text, type: Type.Literal('public-key') }
const GivenAssertion = Type.Object({ ...Base, response: Type.Object({ clientDataJSON: Text, authenticatorData: Text, signature: Text, userHandle: Type.Optional(Type.Union([Text, Type.Null()])) }) })
const GivenRegistration = Type.Object({
  ...Base, response: Type.Object({ clientDataJSON: Text, attestationObject: Text, transports: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 10 })) }),
})

function read<Schema extends typeof GivenAssertion | typeof GivenRegistration>(schema: Schema, text: string): Static<Schema> {
  try {
    const given: unknown = JSON.parse(text)
    if (Value.Check(schema, given)) return given
  } catch (cause) {
    throw problem('factor.invalid', { cause })
  }
  throw problem('factor.invalid')
}

/** Throws factor.invalid. */
export const readAssertion = (text: string): ReturnType<typeof assertionOf> => assertionOf(read(GivenAssertion, text))

/** Throws factor.invalid. */
export function readRegistration(text: string): ReturnType<typeof registrationOf> {
  const { response: { transports, ...response }, ...rest } = read(GivenRegistration, text)
  return registrationOf({ ...rest, response: { ...response, ...(transports === undefined ? {} : { transports }) } })
}

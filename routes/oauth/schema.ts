// What OAuth endpoints answer: objects whose members the standards name.
import { Type } from '@sinclair/typebox'

export const OAuthAnswer = Type.Object({}, { additionalProperties: true })
export const NoAnswer = Type.Null()

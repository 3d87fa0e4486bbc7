// What OAuth endpoints answer: objects whose members the standards name, pages, and nothing.
import { Type } from '@sinclair/typebox'

export const OAuthAnswer = Type.Object({}, { additionalProperties: true })
export const OAuthPage = Type.String()
export const NoAnswer = Type.Null()

// Invitations on the wire. Their token is in the mail alone.
import { Type } from '@sinclair/typebox'
import { Id, strict, Time } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'
import { Email, NullableLocale, Roles } from '../users/schema.js'

const NullableId = (description: string) => Type.Union([Type.String({ format: 'uuid' }), Type.Null()], { description })

const example = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f21', email: 'lea@example.com', roles: ['member'], givenBy: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', givenWithKey: null,
  createdAt: '2027-01-01T09:00:00.000Z', expiresAt: '2027-01-08T09:00:00.000Z',
}

export const Invitation = Type.Object({
  id: Type.String({ format: 'uuid' }),
  email: Type.String(),
  roles: Type.Array(Type.String(), { description: 'Names, as they were when it was given' }),
  givenBy: NullableId('Who vouches for the roles, and is judged again when it is accepted'),
  givenWithKey: NullableId('The key they gave it with; null: in a session'),
  createdAt: Time,
  expiresAt: Time,
}, { examples: [example] })

export const InvitationPage = pageOf(Invitation)
export const InvitationQuery = pageQuery(['createdAt'], Invitation.properties, { givenBy: Type.Optional(Id), email: Type.Optional(Type.String({ minLength: 3, maxLength: 254, description: 'As GET /invitations shows it' })) })

export const NewInvitation = strict({ email: Email, roles: Type.Optional(Roles), locale: Type.Optional(NullableLocale) }, { examples: [{ email: 'lea@example.com', roles: ['member'] }] })

// The shapes of accounts on the wire, for every route that shows one.
import { Type } from '@sinclair/typebox'
import { Id, NullableTime, strict, Time, TimeFilter } from '../../plugins/http/route-kit.js'
import { pageOf, pageQuery } from '../../src/kernel/page.js'

const NO_CONTROLS = '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$'
const EMAIL = 'ada@example.com'
const PASSWORD = 'correct horse battery staple'

export const Email = Type.String({ minLength: 3, maxLength: 320, description: 'Compared without regard to case, width or form of its letters; kept in one spelling' })
export const NewPassword = Type.String({
  minLength: 1, maxLength: 1024, description: 'At least 12 characters, or fewer that are hard to guess; at most 256, any Unicode, never cut short',
})
export const Password = Type.String({ minLength: 1, maxLength: 1024 })
export const Name = Type.String({ maxLength: 200, 'x-text': 'name' })
export const NullableName = Type.Union([Name, Type.Null()], { description: 'null for none' })
export const NullableLocale = Type.Union([Type.String({ minLength: 2, maxLength: 35, description: 'A language tag (RFC 5646): of the mails to me' }), Type.Null()], { description: 'null: the language of the installation' })
const Status = Type.Unsafe<'active' | 'suspended'>({
  type: 'string', enum: ['active', 'suspended'], description: 'A suspended user can neither sign in nor use a key',
})
const RoleName = Type.String({ pattern: '^[a-z0-9_.-]{1,64}$' })
export const Roles = Type.Array(RoleName, { maxItems: 20, uniqueItems: true, description: 'Names from GET /roles' })

export const userExample = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00', email: EMAIL, kind: 'person', anonymous: false, emailVerified: true, locale: 'en', name: 'Ada', status: 'active', roles: ['member'], version: 2,
  createdAt: '2027-01-01T09:00:00.000Z', updatedAt: '2027-01-01T09:00:00.000Z', lastLoginAt: '2027-01-02T08:30:00.000Z',
}
export const tokensExample = {
  accessToken: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.AA', tokenType: 'Bearer', expiresIn: 300,
  refreshToken: 'gr_AZLwwStqfD2eT1prfI2eDwAAAAABsn2CvIcmEdNlqvR7fTGZnVFyGGsJFo3TzEXtTMdYTkw',
}

const Kind = Type.Unsafe<'person' | 'service'>({
  type: 'string', enum: ['person', 'service'], description: 'service: a machine\'s account, with roles and keys, and no address, password or sessions',
})

/** What somebody has given to others, and stands when they are gone. */
export const GrantCounts = Type.Object({
  keys: Type.Integer({ description: 'Live keys of others that they issued, or whose secret they received' }),
  assignments: Type.Integer({ description: 'Roles that they gave to others' }),
  accounts: Type.Integer({ description: 'Accounts that they opened, which stay' }),
  invitations: Type.Integer({ description: 'Invitations of theirs that wait to be accepted' }),
  revoked: Type.Optional(Type.Object({ keys: Type.Integer(), assignments: Type.Integer() }, { description: 'With ?grants=revoke: what has been ended' })),
  left: Type.Optional(Type.Integer({ description: 'Keys that may do within Gatehouse what the caller may not' })),
  pending: Type.Optional(Type.Boolean({ description: 'Ending them goes on after this answer' })),
}, { examples: [{ keys: 12, assignments: 1, accounts: 0, invitations: 0 }] })
export const GrantsQuery = {
  grants: Type.Optional(Type.Unsafe<'keep' | 'revoke'>({ type: 'string', enum: ['keep', 'revoke'], description: 'What becomes of the keys and roles that they gave to others. Default: keep, and count' })),
}
export const Deleted = Type.Object({ grants: GrantCounts }, { examples: [{ grants: { keys: 0, assignments: 0, accounts: 0, invitations: 0 } }] })

const userFields = {
  id: Type.String({ format: 'uuid' }),
  email: Type.Union([Type.String(), Type.Null()], { description: 'null: a service account, an anonymous one, or a person from another system whose address may not be believed' }),
  kind: Kind,
  anonymous: Type.Boolean({ description: 'Nobody has said whose it is yet: no address, no password' }),
  emailVerified: Type.Boolean({ description: 'Mail to the address has reached whoever uses the account' }),
  locale: Type.Union([Type.String(), Type.Null()], { description: 'The language of mails to them; null: that of the installation' }),
  name: Type.Union([Type.String(), Type.Null()]),
  status: Status,
  roles: Type.Array(Type.String()),
  version: Type.Integer({ description: 'Second half of the ETag' }),
  createdAt: Time,
  updatedAt: Time,
  lastLoginAt: NullableTime,
}
export const User = Type.Object({ ...userFields, grants: Type.Optional(GrantCounts) }, { examples: [userExample] })
export const UserPage = pageOf(User)

/** What an anonymous account is opened with. */
export const SignedIn = Type.Object({
  user: Type.Object(userFields),
  accessToken: Type.String({ description: 'JWT (RFC 9068), for Authorization: Bearer' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds the access token lives' }),
  refreshToken: Type.String({ description: 'For POST /auth/refresh; works once' }),
}, { examples: [{ user: userExample, ...tokensExample }] })

/** What signing up, signing in and setting up answer: also a token for the device. */
export const SignedInHere = Type.Object({
  status: Type.Literal('signed_in'),
  ...SignedIn.properties,
  deviceToken: Type.String({ description: 'Keep it on this device and send it with the next sign-in: guesses of others then hold nobody back here. Proves nothing else' }),
}, { examples: [{ status: 'signed_in', user: userExample, ...tokensExample, deviceToken: 'gd_Vb0dO8uGm3zJq1rT5yXwA2cE4hK6nP7sL9iQoUeRfDg' }] })

export const Method = Type.Unsafe<string>({ type: 'string', enum: ['totp', 'passkey', 'recovery_code'] })
export const challengeExample = 'gc_8dQmXo2rV5tYbN1kLz7wGhJc4sAfE9uPiR3vTqKxM0y'

/** The account has a second factor: nothing is open yet. */
export const MfaRequired = Type.Object({
  status: Type.Literal('mfa_required'),
  challenge: Type.String({ description: 'For POST /auth/mfa, or POST /auth/session/mfa if a cookie was asked for; opens nothing else. Five tries' }),
  methods: Type.Array(Method, { description: 'What it can be answered with' }),
  expiresIn: Type.Integer({ description: 'Seconds the challenge lives' }),
}, { examples: [{ status: 'mfa_required', challenge: challengeExample, methods: ['totp', 'recovery_code'], expiresIn: 300 }] })

export const LoggedIn = Type.Union([SignedInHere, MfaRequired])

export const UserQuery = pageQuery(['email', 'name', 'createdAt', 'lastLoginAt'], userFields, {
  kind: Type.Optional(Kind),
  anonymous: Type.Optional(Type.Boolean()),
  status: Type.Optional(Status),
  role: Type.Optional(RoleName),
  'email[contains]': Type.Optional(Type.String({ minLength: 1, maxLength: 254, pattern: NO_CONTROLS, description: 'Without regard to case' })),
  'createdAt[gte]': Type.Optional(TimeFilter),
  'createdAt[lte]': Type.Optional(TimeFilter),
})

const HashText = Type.String({ minLength: 20, maxLength: 1000, description: 'As the other system keeps it, whole' })
const Encoded = (description: string) => Type.String({ minLength: 1, maxLength: 200, pattern: '^[A-Za-z0-9+/_=-]+$', description })
const ofScheme = <S extends string>(scheme: S, example: string) => strict({ scheme: Type.Literal(scheme), hash: HashText }, { examples: [{ scheme, hash: example }] })
export const BcryptHash = ofScheme('bcrypt', '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW')
export const Argon2idHash = ofScheme('argon2id', '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$Nf2MGRSIbTCpIlCEBnhmVbJfnnZbeVnRCCQTnMeIy80')
export const ScryptHash = ofScheme('scrypt', '$scrypt$ln=15,r=8,p=1$bmVjdGFyc2FsdA$QGSEHoN1bxGxIZfhPUBU8TfuWR0xbWBHvqCIZ8z3fPE')
export const Pbkdf2Hash = ofScheme('pbkdf2', 'pbkdf2_sha256$600000$mYsaltOfDjango22$y4lFa0sXHnYyNsTL3mMvnGqvFC8LrwUTJGdYuX0pC1k=')
export const FirebaseHash = strict({
  scheme: Type.Literal('firebase-scrypt'),
  hash: Encoded('passwordHash of the account, base64'),
  salt: Encoded('salt of the account, base64'),
  signerKey: Encoded('base64_signer_key of the project'),
  saltSeparator: Encoded('base64_salt_separator of the project'),
  rounds: Type.Integer({ minimum: 1, maximum: 64, description: 'rounds of the project' }),
  memCost: Type.Integer({ minimum: 1, maximum: 20, description: 'mem_cost of the project' }),
})
export const PasswordHash = Type.Union([BcryptHash, Argon2idHash, ScryptHash, Pbkdf2Hash, FirebaseHash], {
  description: 'Instead of a password: its hash in another system, renewed at the next sign-in. docs/imports.md has each form. Needs gatehouse:users.import',
})

export const NewUser = strict({
  kind: Type.Optional(Kind),
  email: Type.Optional(Email),
  password: Type.Optional(NewPassword),
  passwordHash: Type.Optional(PasswordHash),
  name: Type.Optional(Name),
  roles: Type.Optional(Roles),
}, { examples: [{ email: EMAIL, password: PASSWORD, name: 'Ada', roles: ['member'] }] })

export const UserPatch = strict({
  email: Type.Optional(Email),
  name: Type.Optional(NullableName),
  status: Type.Optional(Status),
  roles: Type.Optional(Roles),
}, { minProperties: 1, examples: [{ status: 'suspended' }] })

/** What a mailed link carries. */
export const MailedToken = strict({ token: Type.String({ minLength: 1, maxLength: 256, description: 'Of the mail' }) }, { examples: [{ token: 'gl_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }] })

export const SignUp = strict({ email: Email, password: Type.Optional(NewPassword), name: Type.Optional(Name) }, {
  description: 'Where EMAIL_VERIFICATION is `required`, the address alone: the rest is chosen when it is confirmed. Else with a password',
  examples: [{ email: EMAIL, password: PASSWORD, name: 'Ada' }],
})
/** What is chosen when a mailed link opens an account. */
export const OpenByLink = strict({ ...MailedToken.properties, password: NewPassword, name: Type.Optional(Name) }, {
  examples: [{ token: 'gl_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', password: PASSWORD, name: 'Ada' }],
})
export const EndOldest = Type.Optional(Type.Boolean({ description: 'At the cap of sessions: end the oldest instead of answering 409' }))
export const LogIn = strict({
  email: Email,
  password: Password,
  deviceToken: Type.Optional(Type.String({ maxLength: 100, description: 'What an earlier sign-in of this device answered' })),
  endOldest: EndOldest,
}, { examples: [{ email: EMAIL, password: PASSWORD }] })
export const SetUp = strict({
  token: Type.String({ minLength: 1, maxLength: 200, description: 'As printed at the start' }),
  email: Email,
  password: NewPassword,
  name: Type.Optional(Name),
}, {
  examples: [{ token: 'gs_QmVuZXZvbGVudEFkbWluaXN0cmF0b3JUb2tlbjEyMzQ1', email: 'admin@example.com', password: PASSWORD }],
})

/** What giving a link that sets a password answers, once. */
export const GivenPasswordReset = Type.Object({
  token: Type.String({ description: 'For POST /auth/password/reset; works once' }),
  expiresAt: Time,
}, { examples: [{ token: 'gp_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', expiresAt: '2027-01-01T10:00:00.000Z' }] })

export const Impersonate = strict({
  reason: Type.String({ minLength: 3, maxLength: 500, 'x-text': 'name', description: 'Kept in the audit log' }),
}, { examples: [{ reason: 'Ticket 4711: the report does not open' }] })
/** A token in which somebody acts for a user. */
export const StartedImpersonation = Type.Object({
  accessToken: Type.String({ description: 'JWT with `act` (RFC 8693 4.1), for Authorization: Bearer' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds; it cannot be prolonged' }),
  sessionId: Type.String({ format: 'uuid' }),
  user: Type.Object({ id: Type.String({ format: 'uuid' }) }, { description: 'Whom it is for' }),
  act: Type.Object({ sub: Type.String({ format: 'uuid' }) }, { description: 'Who acts' }),
}, {
  examples: [{
    accessToken: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.AA', tokenType: 'Bearer', expiresIn: 900, sessionId: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f77',
    user: { id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f00' }, act: { sub: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f01' },
  }],
})

/** All factors of a user are to go. */
export const PlannedFactorReset = Type.Object({
  userId: Id,
  plannedAt: Time,
  dueAt: Type.String({ format: 'date-time', description: 'When it happens' }),
  givenBy: Type.String({ description: 'Who planned it' }),
}, { examples: [{ userId: userExample.id, plannedAt: '2027-01-01T09:00:00.000Z', dueAt: '2027-01-02T09:00:00.000Z', givenBy: userExample.id }] })

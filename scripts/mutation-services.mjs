// What `npm run test:mutation:services` changes, file by file, the tests that must notice (the likeliest first), and what changes nothing, with the reason.
export const TARGETS = {
  'authority/authority-service': ['attempts/people', 'attempts/impersonation', 'routes/invitations'],
  'accounts/account-change-service': ['attempts/account-checks', 'routes/users', 'attempts/people', 'attempts/sweeps', 'race/accounts', 'routes/anonymous', 'routes/address-change', 'routes/notices'],
  'accounts/role-service': ['attempts/role-checks', 'attempts/people'],
  'accounts/grant-service': ['attempts/role-checks', 'attempts/sweeps'],
  'accounts/account-service': ['attempts/account-opening', 'routes/users', 'attempts/people', 'routes/imports', 'routes/auth'],
  'accounts/password-reset-service': ['attempts/password-links', 'routes/password-reset', 'routes/forgotten-password'],
  'keys/key-service': ['attempts/key-hands', 'attempts/keys', 'routes/keys', 'routes/organization-keys'],
  'keys/key-change-service': ['attempts/key-hands', 'attempts/keys', 'routes/keys', 'routes/organization-keys'],
  'keys/key-authority': ['attempts/key-hands', 'routes/organization-keys', 'attempts/keys', 'routes/keys'],
  'invitations/invitation-service': ['routes/invitations'],
  'impersonation/impersonation-service': ['attempts/impersonation'],
  'factors/factor-reset-service': ['routes/factor-reset', 'attempts/account-checks'],
  'organizations/member-service': ['attempts/organization-hands', 'routes/organizations', 'routes/organization-domains'],
  'organizations/organization-role-service': ['attempts/organization-hands', 'routes/organizations', 'routes/organization-domains'],
  'organizations/invitation-service': ['attempts/organization-invitations', 'routes/organizations'],
}

/** By file and what is shown of the change: why no test can notice. */
export const EQUIVALENT = {
  'impersonation/impersonation-service': {
    'without the right side of: !principal?.sessionId || principal.act': 'the authority holds nothing for who acts for another: the next check refuses them alike',
    'if (!isUuid(userId))': 'the schema of the route lets nothing else in',
  },
  'accounts/account-change-service': {
    'if (!before)': 'authority.target, right behind it, throws the same',
    'without the right side of: patch.roles !== undefined && !patch.roles.includes(ADMIN)': 'administrators are counted where none is lost',
    "without the left side of: !losesIt || before.status !== 'active'": 'the same: an active administrator who stays one is counted',
    'without the right side of: changes.email !== undefined && changes.email !== before.email && old !== null': 'who has no address gets none here',
    'if (!row)': 'its lock is held',
    'if (principal?.sessionId === undefined)': 'the route takes sessions alone; the compiler asks for it',
  },
  'invitations/invitation-service': {
    'if (!principal)': 'the route lets nobody in without a credential; the compiler asks for it',
    "if (done.status !== 'signed_in')": 'a new account has no second factor; the compiler asks for it',
  },
  'keys/key-authority': {
    'without the left side of: owner !== null && isOwn(principal, { id, ...owner })': 'what there is not is nobody\'s, and is not found right behind it; the compiler asks for it',
  },
  'keys/key-change-service': {
    'if (!(await store.update(tx, id, row.version, { ...patch, ...vouched }, now)))': 'the row is locked: nobody else has changed it since it was read',
    'if (!updated)': 'the row is locked; the compiler asks for it',
    'if (!(await store.supersede(tx, id, successorId, new Date(endsMs), new Date(now))))': 'the row is locked: nobody else has rotated or revoked it since it was read',
  },
  'keys/key-service': {
    "without the left side of: typeof organizationId === 'string' && (await hasHand(standings, caller, organizationId, 'keys.read'))": 'where no organization is named nobody has a hand; the compiler asks for it',
    "without the left side of: organizationId && (await hasHand(standings, caller, organizationId, 'keys.write'))": 'where no organization is named nobody has a hand, by a look-up that is spared',
  },
  'organizations/member-service': {
    'if (!(await store.update(tx, before.id, before.version, patch, now())))': 'behind the gates of the organization and of the member nobody else changes it',
    'if (!(await store.delete(tx, before.id, before.version)))': 'behind the gates of the organization and of the member nobody else changes it',
  },
  'organizations/organization-role-service': {
    'without the left side of: patch.name !== undefined && patch.name !== role.name': 'no role has no name; the compiler asks for it',
    'if (!row)': 'behind the gate of the organization nobody else changes it; the compiler asks for it',
  },
  'organizations/invitation-service': {
    "without the left side of: !invitation || organization?.status !== 'active'": 'where there is no invitation there is no organization, which is not active',
    'throw error': 'what is no refusal comes of a database that does not answer: the transaction is over either way',
    "without the right side of: organization?.status === 'active' && invitation": 'an organization is found by its invitation; the compiler asks for it',
    "without the left side of: opened && (await store.invitee(tx, caller.principal?.id ?? ''))": 'a look-up that is spared: what is not opened is refused right behind it',
    'without the right side of: !opened || !invitee?.isActive': 'who is suspended, or gone, holds nothing, and was refused behind the gate',
    'without the left side of: !opened || !invitee?.isActive': 'what is not opened has nobody who is invited; the compiler asks for it',
  },
  'factors/factor-reset-service': {
    'if (!principal || !isUuid(userId))': 'the route lets nothing else in; the compiler asks for the first',
    'without the right side of: !principal || !isUuid(userId)': 'the schema of the route lets nothing else in',
    'if (!isUuid(userId))': 'the schema of the route lets nothing else in',
    'without the left side of: !principal || !isUuid(userId)': 'the route lets nobody in without a credential; the compiler asks for it',
    'throw error': 'what is no refusal comes of a database that does not answer: the transaction is over either way',
  },
  'accounts/grant-service': {
    'if (holders.length === 0)': 'a look at the gates of nobody that is spared',
  },
  'accounts/password-reset-service': {
    'throw error': 'what is no refusal comes of a database that does not answer: the transaction is over either way',
  },
}

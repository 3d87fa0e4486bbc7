// What `npm run test:mutation:services` changes, file by file, the tests that must notice (the likeliest first), and what changes nothing, with the reason.
export const TARGETS = {
  'authority/authority-service': ['attempts/people', 'attempts/impersonation', 'routes/invitations'],
  'accounts/account-change-service': ['routes/users', 'attempts/people', 'attempts/sweeps'],
  'accounts/role-service': ['routes/users', 'attempts/people'],
  'accounts/grant-service': ['attempts/people', 'attempts/sweeps'],
  'accounts/account-service': ['routes/users', 'attempts/people', 'routes/imports', 'routes/auth'],
  'accounts/password-reset-service': ['routes/password-reset', 'attempts/people'],
  'keys/key-service': ['attempts/keys', 'routes/keys'],
  'keys/key-change-service': ['attempts/keys', 'routes/keys'],
  'keys/key-authority': ['attempts/keys', 'routes/keys'],
  'invitations/invitation-service': ['routes/invitations'],
  'impersonation/impersonation-service': ['attempts/impersonation'],
  'factors/factor-reset-service': ['routes/factor-reset'],
  'organizations/member-service': ['routes/organizations'],
  'organizations/organization-role-service': ['routes/organizations'],
  'organizations/invitation-service': ['routes/organizations'],
}

/** By file and what is shown of the change: why no test can notice. */
export const EQUIVALENT = {}

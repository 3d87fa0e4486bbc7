// What `npm run test:mutation` changes, feature by feature, and the tests that must notice: files of pure rules, which the tests of test/domain
// see without a store. What is in services is tried by hand: docs/reliability.md.
const domain = (...names) => names.map((name) => `test/domain/${name}.test.ts`)
const below = (folder, ...names) => names.map((name) => `src/${folder}/${name}.ts`)

export const FEATURES = {
  sessions: { mutate: below('sessions', 'refresh-token'), tests: domain('refresh-token') },
  keys: { mutate: below('keys', 'key-format', 'key-hands', 'key-rules'), tests: domain('key-format', 'authority') },
  authority: { mutate: below('authority', 'authority-rules'), tests: domain('authority') },
  gate: { mutate: below('gate', 'explain-rules', 'gate-rules', 'gate-source', 'normalise-uri', 'profiles', 'reserved-headers'), tests: domain('gate-headers', 'gate', 'gate-target', 'gate-source') },
  accounts: { mutate: below('accounts', 'email', 'hash-origin', 'hash-queue', 'password-rules'), tests: domain('email', 'hash-origin', 'password-rules', 'hash-queue') },
  decisions: { mutate: below('decisions', 'credential', 'decision-cache', 'entry', 'verification'), tests: domain('access', 'decision-cache', 'entry', 'verification') },
  limits: {
    mutate: below('limits', 'algorithms/calendar', 'algorithms/gcra', 'algorithms/window', 'limit-bounds', 'limit-rules', 'plan', 'stores/lease'),
    tests: domain('limit-rules', 'window', 'limit-algorithms', 'limit-bounds'),
  },
  quotas: { mutate: below('limits/quota', 'quota-blocks'), tests: domain('quota-blocks', 'quota-races') },
}

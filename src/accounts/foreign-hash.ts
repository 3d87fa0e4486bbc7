// Hashes of passwords that another system made: what each form says, what checking one takes, and which are too dear to be let in.
// Pure. The same reading and the same caps hold where one is given and each time a kept one is read, so that no row can burn the server.

/** As given to POST /users, and as kept: `hash` is the text that the other system keeps. */
export interface ForeignText {
  scheme: 'bcrypt' | 'argon2id' | 'scrypt' | 'pbkdf2'
  hash: string
}

/** Firebase keeps a hash and a salt for each account, and the rest for the project. All but the numbers in base64. */
export interface FirebaseText {
  scheme: 'firebase-scrypt'
  hash: string
  salt: string
  signerKey: string
  saltSeparator: string
  rounds: number
  memCost: number
}

export type GivenHash = ForeignText | FirebaseText

export type Digest = 'sha1' | 'sha256' | 'sha512'

interface Scrypt {
  n: number
  r: number
  p: number
  salt: Buffer
}

export type ForeignHash =
  | { kind: 'bcrypt'; text: string }
  | { kind: 'argon2id'; text: string }
  | { kind: 'scrypt'; hash: Buffer; scrypt: Scrypt }
  | { kind: 'firebase'; hash: Buffer; scrypt: Scrypt; signerKey: Buffer }
  | { kind: 'pbkdf2'; hash: Buffer; digest: Digest; iterations: number; salt: Buffer }

export interface ReadHash {
  hash: ForeignHash
  /** in rounds of bcrypt, of which a hash of cost 12 takes 4,096 */
  work: number
  memoryBytes: number
}

/** As much as bcrypt of cost 14: four of our own hashes. */
export const MOST_FOREIGN_WORK = 2 ** 14
export const MOST_FOREIGN_MEMORY = 128 * 2 ** 20

// rounds of bcrypt that take as long: for a KiB and pass of argon2id, for scrypt's N * r * p, for an iteration of PBKDF2 and a block of its
// output. Measured on two cores (docs/imports.md); what they miss on a machine is learnt there (work-ratios.ts)
const ARGON2 = 0.0055
const SCRYPT = 0.0057
const PBKDF2: Record<Digest, { work: number; blockBytes: number }> = {
  sha1: { work: 0.0039, blockBytes: 20 }, sha256: { work: 0.0038, blockBytes: 32 }, sha512: { work: 0.0086, blockBytes: 64 },
}

const B64 = '[A-Za-z0-9+/._-]+={0,2}'
const BCRYPT = /^(?:bcrypt\$)?\$(2[aby])\$(\d\d)\$([./A-Za-z0-9]{21})([./A-Za-z0-9])([./A-Za-z0-9]{30})([./A-Za-z0-9])$/
const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const ARGON2ID = new RegExp(`^(?:argon2)?\\$argon2id\\$v=19\\$m=(\\d{1,9}),t=(\\d{1,9}),p=(\\d{1,9})\\$(${B64})\\$(${B64})$`)
const SCRYPT_PHC = new RegExp(`^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,9}),p=(\\d{1,9})\\$(${B64})\\$(${B64})$`)
const SCRYPT_DJANGO = new RegExp(`^scrypt\\$(\\d{1,9})\\$([^$]+)\\$(\\d{1,9})\\$(\\d{1,9})\\$(${B64})$`)
const SCRYPT_WERKZEUG = /^scrypt:(\d{1,9}):(\d{1,9}):(\d{1,9})\$([^$]+)\$([0-9a-f]{32,256})$/
const PBKDF2_PHC = new RegExp(`^\\$pbkdf2(?:-(sha1|sha256|sha512))?\\$(?:i=)?(\\d{1,9})(?:,l=\\d{1,3})?\\$(${B64})\\$(${B64})$`)
const PBKDF2_DJANGO = new RegExp(`^pbkdf2_(sha1|sha256|sha512)\\$(\\d{1,9})\\$([^$]+)\\$(${B64})$`)
const PBKDF2_WERKZEUG = /^pbkdf2:(sha1|sha256|sha512):(\d{1,9})\$([^$]+)\$([0-9a-f]{32,128})$/

/** Why a text is no hash that can be taken over. */
class Unreadable extends Error {}

/** Base64 with or without padding, in the usual alphabet, that of URLs, or passlib's with `.` for `+`. */
function base64(text: string, what: string, least: number, most: number): Buffer {
  const plain = text.replaceAll(/[._-]/g, (sign) => (sign === '_' ? '/' : '+')).replace(/=+$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(plain) || plain.length % 4 === 1) throw new Unreadable(`its ${what} is no base64`)
  const bytes = Buffer.from(plain, 'base64')
  if (bytes.length < least || bytes.length > most) throw new Unreadable(`its ${what} must have ${least} to ${most} bytes`)
  return bytes
}

function matched(patterns: readonly RegExp[], text: string, form: string): { at: number; parts: string[] } {
  for (const [at, pattern] of patterns.entries()) {
    const found = pattern.exec(text)
    if (found) return { at, parts: found.slice(1).map((part) => part ?? '') }
  }
  throw new Unreadable(`is not of the form ${form}`)
}

function within(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) throw new Unreadable(`its ${name} must be ${least} to ${most}`)
  return value
}

/** Some systems leave noise in the bits of a last letter that stand for nothing; the library wants them clear. */
function cleared(letter: string, unused: number): string {
  return BCRYPT_ALPHABET.charAt(BCRYPT_ALPHABET.indexOf(letter) >> unused << unused)
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

function readBcrypt(text: string): ReadHash {
  const { parts: [version, digits, salt, saltEnd = '', hash, hashEnd = ''] } = matched([BCRYPT], text, '$2b$12$, salt and hash ($2a and $2y as well)')
  const cost = within('cost', Number(digits), 4, 14)
  return { hash: { kind: 'bcrypt', text: `$${version}$${digits}$${salt}${cleared(saltEnd, 4)}${hash}${cleared(hashEnd, 2)}` }, work: 2 ** cost, memoryBytes: 0 }
}

function readArgon2id(text: string): ReadHash {
  const { parts: [m, t, p, salt = '', hash = ''] } = matched([ARGON2ID], text, '$argon2id$v=19$m=65536,t=3,p=4$salt$hash')
  const lanes = within('p', Number(p), 1, 16)
  const kib = within('m', Number(m), 8 * lanes, MOST_FOREIGN_MEMORY / 1024)
  const passes = within('t', Number(t), 1, 1_000)
  const phc = `$argon2id$v=19$m=${kib},t=${passes},p=${lanes}$${unpadded(base64(salt, 'salt', 8, 48))}$${unpadded(base64(hash, 'hash', 16, 64))}`
  return { hash: { kind: 'argon2id', text: phc }, work: kib * passes * ARGON2, memoryBytes: kib * 1024 }
}

function scryptOf(n: number, r: number, p: number, salt: Buffer): { scrypt: Scrypt; work: number; memoryBytes: number } {
  if (n < 2 || !Number.isInteger(Math.log2(n))) throw new Unreadable('its N must be a power of two')
  within('r', r, 1, 64)
  within('p', p, 1, 64)
  const memoryBytes = 128 * r * (n + p)
  // p blocks beside the table itself
  if (128 * r * n > MOST_FOREIGN_MEMORY) throw new Unreadable(`it would take more than ${MOST_FOREIGN_MEMORY / 2 ** 20} MiB`)
  return { scrypt: { n, r, p, salt }, work: n * r * p * SCRYPT, memoryBytes }
}

function readScrypt(text: string): ReadHash {
  const { at, parts: [a = '', b = '', c = '', d = '', e = ''] } = matched([SCRYPT_PHC, SCRYPT_DJANGO, SCRYPT_WERKZEUG], text, '$scrypt$ln=15,r=8,p=1$salt$hash')
  const forms = [
    () => ({ ...scryptOf(2 ** Number(a), Number(b), Number(c), base64(d, 'salt', 1, 64)), hash: base64(e, 'hash', 16, 128) }),
    () => ({ ...scryptOf(Number(a), Number(c), Number(d), Buffer.from(b)), hash: base64(e, 'hash', 16, 128) }),
    () => ({ ...scryptOf(Number(a), Number(b), Number(c), Buffer.from(d)), hash: Buffer.from(e, 'hex') }),
  ] as const
  const { scrypt, hash, work, memoryBytes } = (forms[at] ?? forms[0])()
  return { hash: { kind: 'scrypt', hash, scrypt }, work, memoryBytes }
}

function readPbkdf2(text: string): ReadHash {
  const { at, parts: [named = '', rounds, salted = '', hashed = ''] } = matched([PBKDF2_PHC, PBKDF2_DJANGO, PBKDF2_WERKZEUG], text, '$pbkdf2-sha256$i=600000$salt$hash or pbkdf2_sha256$600000$salt$hash')
  // passlib's $pbkdf2$ without a name is the one with SHA-1
  const digest: Digest = named === 'sha256' || named === 'sha512' ? named : 'sha1'
  const iterations = within('number of iterations', Number(rounds), 1, 2 ** 31 - 1)
  const salt = at === 0 ? base64(salted, 'salt', 1, 128) : Buffer.from(salted)
  const hash = at === 2 ? Buffer.from(hashed, 'hex') : base64(hashed, 'hash', 16, 64)
  const { work, blockBytes } = PBKDF2[digest]
  return { hash: { kind: 'pbkdf2', hash, digest, iterations, salt }, work: iterations * work * Math.ceil(hash.length / blockBytes), memoryBytes: 0 }
}

function readFirebase({ hash, salt, signerKey, saltSeparator, rounds, memCost }: FirebaseText): ReadHash {
  const salts = Buffer.concat([base64(salt, 'salt', 1, 64), base64(saltSeparator, 'saltSeparator', 0, 64)])
  const { scrypt, work, memoryBytes } = scryptOf(2 ** within('memCost', memCost, 1, 20), within('rounds', rounds, 1, 64), 1, salts)
  const key = base64(signerKey, 'signerKey', 32, 128)
  return { hash: { kind: 'firebase', hash: base64(hash, 'hash', key.length, key.length), scrypt, signerKey: key }, work, memoryBytes }
}

function readAny(given: GivenHash): ReadHash {
  switch (given.scheme) {
    case 'bcrypt': return readBcrypt(given.hash)
    case 'argon2id': return readArgon2id(given.hash)
    case 'scrypt': return readScrypt(given.hash)
    case 'pbkdf2': return readPbkdf2(given.hash)
    case 'firebase-scrypt': return readFirebase(given)
    default: throw new Unreadable('is of no scheme that is known')
  }
}

/** What was given, taken apart; or what is wrong with it. Never repeats any of it. */
export function readForeign(given: GivenHash): ReadHash | { mistake: string } {
  try {
    const read = readAny(given)
    if (read.work > MOST_FOREIGN_WORK) return { mistake: `it would take more work than ${MOST_FOREIGN_WORK} rounds of bcrypt (cost 14)` }
    return read
  } catch (error) {
    if (error instanceof Unreadable) return { mistake: error.message }
    throw error
  }
}

// Keys derived from GATEHOUSE_SECRET, one for each purpose (HKDF-SHA-256, RFC 5869), and what is done with them.
// The algorithms are node:crypto's; nothing here stores or logs.
import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** SHA-256 of a high-entropy secret, as it is kept at rest. */
export function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** Constant-time comparison; false at once when the lengths differ (lengths are public). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

export interface Secrets {
  /** a 32-byte key for one purpose; the same purpose gives the same key on every node */
  derive: (purpose: string) => Buffer
  /** HMAC-SHA-256 under the purpose's key */
  mac: (purpose: string, data: string | Uint8Array) => Buffer
  /** AES-256-GCM: 12-byte nonce, 16-byte tag, ciphertext; `context` is authenticated, so a row's value cannot be moved to another row */
  encrypt: (purpose: string, context: string, plaintext: string) => Buffer
  /** throws when the value was changed, moved, or made under a secret that is neither this nor the previous one */
  decrypt: (purpose: string, context: string, sealed: Uint8Array) => string
  /** Is it what `mac` gives for this, under the secret or the previous one? `bytes`: how many of it are compared. In constant time. */
  isMac: (purpose: string, data: string | Uint8Array, tag: Uint8Array, bytes?: number) => boolean
  /** those of GATEHOUSE_SECRET_PREVIOUS: what was made under it is read, and made anew under this one */
  previous: Secrets | null
}

/** Is it sealed under exactly this secret? For what is to be sealed anew after a rotation. */
export function isUnder(secrets: Secrets, purpose: string, context: string, sealed: Uint8Array): boolean {
  try {
    secrets.decrypt(purpose, context, sealed)
    return true
  } catch {
    return false // under another one
  }
}

/** `previousSecret`: the root secret before this one, of which things are still at rest or in the hands of clients. */
export function createSecrets(rootSecret: string, previousSecret: string | null = null): Secrets {
  const previous = previousSecret === null ? null : createSecrets(previousSecret)
  const keys = new Map<string, Buffer>()
  const derive = (purpose: string): Buffer => {
    const known = keys.get(purpose)
    if (known) return known
    const key = Buffer.from(hkdfSync('sha256', rootSecret, '', `gatehouse/${purpose}`, 32))
    keys.set(purpose, key)
    return key
  }
  const mac: Secrets['mac'] = (purpose, data) => createHmac('sha256', derive(purpose)).update(data).digest()
  return {
    derive,
    mac,
    previous,
    isMac: (purpose, data, tag, bytes = 32) => equalBytes(tag, mac(purpose, data).subarray(0, bytes)) || (previous?.isMac(purpose, data, tag, bytes) ?? false),
    encrypt(purpose, context, plaintext) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', derive(purpose), nonce).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    decrypt(purpose, context, sealed) {
      try {
        const decipher = createDecipheriv('aes-256-gcm', derive(purpose), sealed.subarray(0, 12), { authTagLength: 16 })
        decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(12, 28))
        return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8')
      } catch (error) {
        if (previous) return previous.decrypt(purpose, context, sealed)
        throw error
      }
    },
  }
}

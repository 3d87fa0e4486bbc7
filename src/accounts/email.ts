// E-mail addresses as account names: one spelling of each is kept, compared and counted. Pure; whether an address
// receives mail is not decided here.
import { problem } from '../kernel/errors.js'

const MAX_LENGTH = 254 // RFC 5321 4.5.3.1.3, less the angle brackets

// quoted local parts and address literals are left out on purpose; so is everything invisible, which makes two look alike
const ADDRESS = /^[^\s@<>()[\],;:\\"\p{C}]{1,64}@[^\s@<>()[\],;:\\"\p{C}]+$/u

/** The one spelling of an address: trimmed, lower case, NFC. Throws request.invalid for what is no address or is longer than 254. */
export function normaliseEmail(text: string): string {
  const email = text.trim().toLowerCase().normalize('NFC')
  if (email.length > MAX_LENGTH || !ADDRESS.test(email)) {
    throw problem('request.invalid', { errors: [{ path: '/email', message: 'must be an e-mail address of at most 254 characters' }] })
  }
  return email
}

// Which domains are nobody's own, by lists that others keep: the public suffix list (tldts), and those who give addresses to everybody (email-providers).
// Both are read when they are first asked: most nodes never are.
import type { DomainLists } from './domain-rules.js'

// known, and not in the list
const ALSO = ['fastmail.com', 'fastmail.fm', 'tutanota.com', 'tutanota.de', 'tuta.com', 'tuta.io', 'tutamail.com', 'posteo.de', 'posteo.net', 'mailbox.org', 'disroot.org', 'riseup.net', 'duck.com', 'simplelogin.com', 'anonaddy.com', 'skiff.com', 'privaterelay.appleid.com']

let lists: Promise<DomainLists> | null = null

async function load(): Promise<DomainLists> {
  const [{ getPublicSuffix }, { default: listed }] = await Promise.all([import('tldts'), import('email-providers')])
  const providers = new Set([...listed, ...ALSO])
  return { isSuffix: (domain) => getPublicSuffix(domain, { allowPrivateDomains: true }) === domain, isProvider: (domain) => providers.has(domain) }
}

export function domainLists(): Promise<DomainLists> {
  return (lists ??= load())
}

// The one way by which an address gets into a page: http, https, or a path of this origin; nothing that runs, nothing that is read two ways.

/** The address, or `#` for one that no link may have. */
export function safeHref(address: string): string {
  if (/^(?:\/(?!\/)|[?#])[\x21-\x5b\x5d-\x7e]*$|^\/$/.test(address)) return address
  if (!URL.canParse(address)) return '#'
  const { protocol, href } = new URL(address)
  return protocol === 'https:' || protocol === 'http:' ? href : '#'
}

/** The same for where an application wants people back, which the server has compared with what is registered: also a scheme of its own, by its dot. */
export function appHref(address: string): string {
  return /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:[\x21\x23-\x3b\x3d\x3f-\x5b\x5d-\x7e]*$/.test(address) ? address : safeHref(address)
}

/** `path` with where to go afterwards, when that is anywhere. */
export function onward(path: string, returnTo: string): string {
  return returnTo === '' ? path : `${path}?${new URLSearchParams({ return_to: returnTo }).toString()}`
}

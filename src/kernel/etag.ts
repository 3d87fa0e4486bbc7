// Strong validators of versioned resources (RFC 9110 8.8.3, 13.1): "id.version".
import { problem } from './errors.js'

export interface Versioned {
  id: string
  version: number
}

export function etagOf(resource: Versioned): string {
  return `"${resource.id}.${resource.version}"`
}

/** Does a header's list of validators name this one? `*` names all; weak ones never match strongly (If-Match). */
export function matches(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true
  return header.split(',').some((part) => {
    const tag = part.trim()
    return comparison === 'weak' && tag.startsWith('W/') ? tag.slice(2) === etag : tag === etag
  })
}

/**
 * The version that If-Match asks for: of a list (RFC 9110 13.1.1), the one that names this resource.
 * Throws precondition.required without the header, precondition.failed when it names another resource or another form.
 */
export function expectedVersion(header: string | undefined, id: string): number | '*' {
  if (header === undefined) throw problem('precondition.required')
  if (header.trim() === '*') return '*'
  const prefix = `"${id.toLowerCase()}.`
  const versions = header.split(',').map((part) => part.trim()).filter((tag) => tag.startsWith(prefix) && tag.endsWith('"'))
    .map((tag) => tag.slice(prefix.length, -1)).filter((version) => /^[1-9]\d{0,8}$/.test(version))
  // a resource has one version: of several, the newest is the only one that can still be right
  if (versions.length === 0) throw problem('precondition.failed')
  return Math.max(...versions.map(Number))
}

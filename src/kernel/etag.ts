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

/** The version that If-Match asks for. Throws precondition.required without one, precondition.failed for another resource or form. */
export function expectedVersion(header: string | undefined, id: string): number | '*' {
  if (header === undefined) throw problem('precondition.required')
  if (header.trim() === '*') return '*'
  const found = new RegExp(`^"${id}\\.(\\d{1,9})"$`).exec(header.trim())
  if (!found) throw problem('precondition.failed')
  return Number(found[1])
}

// The lattice of permissions: what a text must look like to be one, what covers what, and what sets have in common. Pure.
// `a:b` means itself; `a:*` every permission and pattern that starts with `a:` (not `a`); `*:*` all but Gatehouse's own.
// Two patterns nest or are disjoint, so a set covers another when for each wanted one a member covers it.
// The database says the same in permission_covers (prisma/migrations), and a test compares the two.

/** `seg(:seg){1,7}`, with `*` only as the whole last segment, or `*:*`. */
export const PERMISSION_PATTERN = '^(?:\\*:\\*|[a-z0-9_.-]+(?::[a-z0-9_.-]+){0,6}:(?:\\*|[a-z0-9_.-]+))$'
export const PERMISSION_LENGTH = 100
/** Everything that is the application's. */
export const APPLICATION = '*:*'
/** Everything that is Gatehouse's. */
export const ALL_OF_GATEHOUSE = 'gatehouse:*'

const FORM = new RegExp(PERMISSION_PATTERN)
const OWN = 'gatehouse:own.'
// below this many, a look at each costs less than a set
const FEW = 8

export function isPermission(text: string): boolean {
  return text.length <= PERMISSION_LENGTH && FORM.test(text)
}

export function isOfGatehouse(permission: string): boolean {
  return permission.startsWith('gatehouse:')
}

/** Does it say what people may do to their own things? It is free to give, and ignored where authority is compared. */
export function isOwnRight(permission: string): boolean {
  return permission.startsWith(OWN)
}

/** Does one granted permission cover a wanted one, which may be a pattern, too? */
export function covers(granted: string, wanted: string): boolean {
  if (granted === wanted) return true
  if (!granted.endsWith(':*')) return false
  return granted === APPLICATION ? !isOfGatehouse(wanted) : wanted.startsWith(granted.slice(0, -1))
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

/** Is a permission, or one of its at most eight ancestors, in the set? */
function inSet(granted: ReadonlySet<string>, wanted: string): boolean {
  if (granted.has(wanted) || (!isOfGatehouse(wanted) && granted.has(APPLICATION))) return true
  for (let at = wanted.lastIndexOf(':'); at > 0; at = wanted.lastIndexOf(':', at - 1)) {
    if (granted.has(`${wanted.slice(0, at)}:*`)) return true
  }
  return false
}

/** Does a list of granted permissions cover a wanted one? The list must not be changed afterwards. */
export function holds(granted: readonly string[], wanted: string): boolean {
  if (granted.length <= FEW) {
    for (const one of granted) if (covers(one, wanted)) return true
    return false
  }
  let set = sets.get(granted)
  if (!set) sets.set(granted, (set = new Set(granted)))
  return inSet(set, wanted)
}

/** Those of `wanted` that `granted` does not cover. */
export function lacking(granted: readonly string[], wanted: readonly string[]): string[] {
  return wanted.filter((permission) => !holds(granted, permission))
}

/** The same set with nothing in it that another member covers; sorted. */
export function reduced(permissions: readonly string[]): string[] {
  const all = [...new Set(permissions)].toSorted()
  return all.filter((one) => !all.some((other) => other !== one && covers(other, one)))
}

/** What both sets permit. It commutes, associates, and of a set with itself it is the set, reduced. */
export function intersection(a: readonly string[], b: readonly string[]): string[] {
  return reduced([...a.filter((one) => holds(b, one)), ...b.filter((one) => holds(a, one))])
}

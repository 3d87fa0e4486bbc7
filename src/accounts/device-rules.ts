// What a known device is. Pure.

/** `device`: its token is known, `id` is its. `session`: a session of the account asks. `address`: the account was signed in from there. */
export type Recognised = { by: 'device' | 'session'; id: string } | { by: 'address' } | null

/** A device that is not signed in from for this long is a stranger's again. */
export const DEVICE_KEPT_SECONDS = 90 * 86_400

// Whether a stranger, or who is invited, may open an account: decided by SIGN_UP alone, before anything of the request is looked at, so that a
// refusal costs the same whoever is named in it and tells nobody which addresses have accounts.
import { problem } from '../kernel/errors.js'

export type SignUpMode = 'closed' | 'invited' | 'open'

export interface SignUpPolicy {
  /** Resolves when strangers may sign up. Throws signup.closed: by configuration, or because nobody has set this installation up yet. */
  requireOpen: () => Promise<void>
  /** Resolves when somebody may be invited, and accept it: where SIGN_UP is `invited` or `open`. Throws signup.closed. */
  requireInvitations: () => Promise<void>
}

export interface SignUpPolicyDependencies {
  mode: SignUpMode
  isSetUp: () => Promise<boolean>
}

const DETAILS = {
  closed: 'Accounts are opened by an administrator',
  invited: 'Accounts are opened by invitation',
  early: 'Nobody signs up before this installation has been set up',
}

export function createSignUpPolicy({ mode, isSetUp }: SignUpPolicyDependencies): SignUpPolicy {
  // a set-up is never undone: once seen, it is not asked for again
  let setUp = false
  async function requireSetUp(): Promise<void> {
    setUp ||= await isSetUp()
    if (!setUp) throw problem('signup.closed', { detail: DETAILS.early })
  }
  return {
    async requireOpen() {
      if (mode !== 'open') throw problem('signup.closed', { detail: DETAILS[mode] })
      await requireSetUp()
    },
    async requireInvitations() {
      if (mode === 'closed') throw problem('signup.closed', { detail: DETAILS.closed })
      await requireSetUp()
    },
  }
}

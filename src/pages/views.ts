// What the hosted pages are given: the one contract between the routes below routes/ui, which know requests and services, and the
// templates below ui/, which know markup and words. Types, and one list of words.

/** What may be wrong with a form. Its words are `problem.CODE` in ui/messages. */
export type FormFault =
  | 'sign-in.wrong' | 'sign-in.throttled' | 'sessions.full' | 'busy' | 'rate'
  | 'organization.last-owner' | 'join.other-address' | 'join.known' | 'join.full'
  | 'missing' | 'stale' | 'password.weak' | 'password.wrong' | 'reset.void' | 'changed' | 'keys.full' | 'keys.permission' | 'keys.expiry' | 'admin.last'
  | 'provider.unavailable' | 'provider.denied' | 'provider.failed' | 'provider.no-account' | 'identity.taken' | 'identity.full' | 'identity.other' | 'identity.last' | 'link.void' | 'email.unusable'
  | 'email.malformed' | 'magic.code' | 'email.has-account' | 'email.taken' | 'email.unusable-new' | 'mail.void'
  | 'factor.invalid' | 'factor.throttled' | 'factor.wanted' | 'factor.needed' | 'factor.none' | 'factor.late' | 'factor.full' | 'factor.taken' | 'passkey.invalid' | 'challenge.void'

export interface FormProblem {
  code: FormFault
  /** the id of the field that it is about */
  at?: string
  /** ISO 8601: when to come back */
  until?: string
}

/** What a page says is wrong, in place of anything else. */
export type PageFault = 'not-found' | 'method' | 'foreign' | 'denied' | 'malformed' | 'rate' | 'busy' | 'database' | 'server' | 'closed'

/** An account as its owner sees it. */
export interface AccountFacts {
  email: string | null
  name: string | null
  createdAt: string
  lastLoginAt: string | null
}

export interface SessionFacts {
  id: string
  /** the program in short, and as it says itself */
  name: string
  userAgent: string
  address: string
  createdAt: string
  lastSeenAt: string
  current: boolean
}

export interface DeviceFacts {
  id: string
  name: string
  address: string
  lastSeenAt: string
  current: boolean
}

export interface KeyFacts {
  id: string
  name: string
  start: string
  kind: string
  permissions: string[]
  createdAt: string
  lastUsedAt: string | null
  endsAt: string | null
}

/** What an authenticator is asked, as the WebAuthn JSON that the script hands on. */
export interface PasskeyAsk {
  options: object
}

/** By what somebody may prove a second factor. */
export interface ProofFacts {
  returnTo: string
  email: string
  hasApp: boolean
  hasCodes: boolean
  /** is a recovery code asked for? */
  isRecovery: boolean
  passkey: PasskeyAsk | null
}

export interface FactorFacts {
  id: string
  kind: 'totp' | 'passkey'
  name: string
  createdAt: string
  lastUsedAt: string | null
}

/** Another system, by which one may sign in. */
export interface ProviderFacts {
  id: string
  name: string
}

export interface IdentityFacts {
  id: string
  provider: { name: string }
  email: string | null
  createdAt: string
  lastUsedAt: string | null
}

/** An application that may act for the account. */
export interface ApplicationFacts {
  id: string
  name: string
  clientUri: string | null
  scopes: string[]
  grantedAt: string
  lastUsedAt: string | null
}

/** What was typed to have a key issued. */
export interface KeyForm {
  name: string
  days: string
  permissions: string
}

/** What a form has done, said on the page that it leads to. Its words are `done.DONE`. */
export const DONE = ['saved', 'password', 'session-ended', 'sessions-ended', 'device-forgotten', 'key-revoked', 'reset', 'link', 'linked', 'unlinked', 'factor-added', 'factor-removed', 'mailed', 'address', 'withdrawn', 'joined'] as const
export type Done = (typeof DONE)[number]

/** After which form `/ui/sent` is shown. Its words are the same for all of them; where it leads back to is not. */
export const SENT = ['forgot', 'sign-up'] as const
export type Sent = (typeof SENT)[number]

export interface Views {
  'sign-in': { returnTo: string; email: string; problem: FormProblem | null; done: Done | null; providers: ProviderFacts[]; canSignUp: boolean; hasMagicLink: boolean; passkey: PasskeyAsk | null }
  'sign-up': { returnTo: string; asksPassword: boolean; email: string; name: string; problem: FormProblem | null }
  /** with a mailed link: `by` is the page that takes it */
  'open-account': { by: 'confirm' | 'invitation'; email: string; name: string; problem: FormProblem | null }
  verify: ProofFacts & { problem: FormProblem | null }
  'step-up': ProofFacts & { hasFactor: boolean; problem: FormProblem | null }
  factors: { factors: FactorFacts[]; recoveryCodes: number; isWanted: boolean; problem: FormProblem | null; done: Done | null }
  'add-app': { name: string; begun: { id: string; secret: string; uri: string } | null; problem: FormProblem | null }
  'add-passkey': { passkey: PasskeyAsk; problem: FormProblem | null }
  'recovery-codes': { codes: string[]; isFirst: boolean }
  /** on to another origin, which a form's redirect may not lead to */
  leave: { to: string; name: string }
  /** what an application asks for. `host`: where it leads back to; `again`: the way back to this request */
  consent: {
    name: string; host: string; isOwnMachine: boolean; isVouchedFor: boolean; clientUri: string | null; policyUri: string | null; tosUri: string | null; account: string
    scopes: { name: string; description: string | null; resource: string | null }[]; version: number; again: string
  }
  applications: { applications: ApplicationFacts[]; done: Done | null }
  /** back to an application, by an address that it has registered */
  'hand-over': { to: string; name: string }
  /** what an application did wrong that nobody else is told of */
  'authorize-problem': { error: string; description: string }
  link: { provider: string; email: string; account: string; problem: FormProblem | null }
  identities: { identities: IdentityFacts[]; providers: ProviderFacts[]; problem: FormProblem | null; done: Done | null }
  'sign-out': { email: string }
  'signed-out': object
  account: { user: AccountFacts }
  /** `locale`: a language tag; '' for that of the installation */
  profile: { email: string | null; name: string; locale: string; version: number; problem: FormProblem | null; done: Done | null }
  email: { email: string; isProven: boolean; wanted: string; problem: FormProblem | null; done: Done | null }
  'confirm-address': { kind: 'verify' | 'change'; email: string; problem: FormProblem | null }
  'link-void': object
  join: { organization: string; email: string; problem: FormProblem | null }
  password: { email: string; problem: FormProblem | null; done: Done | null }
  sessions: { sessions: SessionFacts[]; devices: DeviceFacts[]; isCut: boolean; done: Done | null }
  keys: { keys: KeyFacts[]; isCut: boolean; mayIssue: boolean; held: string[]; filled: KeyForm; problem: FormProblem | null; done: Done | null }
  'key-issued': { name: string; secret: string; expiresAt: string | null }
  'delete-account': { email: string; keys: string; sessions: string; problem: FormProblem | null }
  'account-deleted': object
  'magic-ask': { returnTo: string; email: string; problem: FormProblem | null }
  /** `email`: as it was typed; empty where the browser does not know it any more */
  'magic-code': { returnTo: string; email: string; problem: FormProblem | null }
  /** a link of a mail that was opened: by the browser that asked, by another one, or too late */
  'magic-open': { email: string; problem: FormProblem | null }
  'magic-elsewhere': object
  'magic-void': object
  forgot: { returnTo: string; email: string; problem: FormProblem | null }
  /** `email`: as it was typed; empty where the browser does not know it any more */
  sent: { what: Sent | null; email: string }
  reset: { email: string; problem: FormProblem | null }
  'reset-void': object
  problem: { fault: PageFault; status: number; until?: string }
}

export type ViewName = keyof Views

/** A page to be written: which one, and what it shows. */
export type View = { [Name in ViewName]: { name: Name; props: Views[Name] } }[ViewName]

/** What is around every page. */
export interface PageContext {
  /** of the locales that the renderer has */
  locale: string
  /** path and query of the page, for the links that show it in another language */
  here: string
  /** what a form of the page carries as its hidden field; empty where it may carry none */
  csrf: string
  requestId: string
  /** is somebody signed in here? */
  isSignedIn: boolean
  /** may the page run our script? */
  isScripted: boolean
  /** addresses of what the page loads */
  assets: PageAssets
}

export interface PageAssets {
  style: string
  icon: string
  theme: string | null
  logo: string | null
  logoDark: string | null
  /** the script of pages with passkeys */
  passkeys: string
}

export interface Renderer {
  /** tags (BCP 47) of the languages there are, the first one being the one that is never incomplete */
  locales: readonly string[]
  render: (view: View, context: PageContext) => string
}

/** Texts by key, in the grammar of ICU messages. */
export type Messages = Readonly<Record<string, string>>

/** The module that the build makes of ui/pages/main.tsx. */
export interface PagesModule {
  createRenderer: (options: { overrides: Readonly<Record<string, Messages>>; warn: (message: string) => void }) => Renderer
}

// The hosted pages as one function: a view and what is around it in, the text of a page out. Built into dist/ui/pages.js, and loaded at the
// first page that is asked for.
import { render } from 'preact-render-to-string'
import type { ComponentType } from 'preact'
import type { PagesModule, Renderer, View, ViewName, Views } from '../../src/pages/views.js'
import { PageProvider } from '../kit/page-context.js'
import { createTexts, TextProvider } from '../kit/text.js'
import { Account, AccountDeleted, DeleteAccount, Password, Profile, Sessions } from './account.js'
import { ConfirmAddress, Email, Join, LinkVoid } from './address.js'
import { AddApp, AddPasskey, Factors, RecoveryCodes, StepUp, Verify } from './factors.js'
import { Applications, AuthorizeProblem, Consent, HandOver } from './consent.js'
import { Forgot, Sent } from './forgot.js'
import { Identities, Leave, Link } from './identities.js'
import { KeyIssued, Keys } from './keys.js'
import { MagicAsk, MagicCode, MagicElsewhere, MagicOpen, MagicVoid } from './magic-link.js'
import { ProblemPage } from './problem.js'
import { Reset, ResetVoid } from './reset.js'
import { OpenAccount, SignUp } from './sign-up.js'
import { SignedOut, SignIn, SignOut } from './sign-in.js'

const PAGES: { [Name in ViewName]: ComponentType<Views[Name]> } = {
  'sign-in': SignIn,
  'sign-out': SignOut,
  'signed-out': SignedOut,
  'sign-up': SignUp,
  'open-account': OpenAccount,
  verify: Verify,
  'step-up': StepUp,
  factors: Factors,
  'add-app': AddApp,
  'add-passkey': AddPasskey,
  'recovery-codes': RecoveryCodes,
  leave: Leave,
  consent: Consent,
  applications: Applications,
  'hand-over': HandOver,
  'authorize-problem': AuthorizeProblem,
  link: Link,
  identities: Identities,
  account: Account,
  profile: Profile,
  email: Email,
  'confirm-address': ConfirmAddress,
  'link-void': LinkVoid,
  join: Join,
  password: Password,
  sessions: Sessions,
  keys: Keys,
  'key-issued': KeyIssued,
  'delete-account': DeleteAccount,
  'account-deleted': AccountDeleted,
  'magic-ask': MagicAsk,
  'magic-code': MagicCode,
  'magic-open': MagicOpen,
  'magic-elsewhere': MagicElsewhere,
  'magic-void': MagicVoid,
  forgot: Forgot,
  sent: Sent,
  reset: Reset,
  'reset-void': ResetVoid,
  problem: ProblemPage,
}

function pageOf<Name extends ViewName>(view: { name: Name; props: Views[Name] }) {
  const Page: ComponentType<Views[Name]> = PAGES[view.name]
  return <Page {...view.props} />
}

export const createRenderer: PagesModule['createRenderer'] = ({ overrides, warn }): Renderer => {
  const texts = createTexts(overrides, warn)
  return {
    locales: texts.locales,
    render: (view: View, context) => `<!doctype html>\n${render(
      <TextProvider value={texts.of(context.locale)}>
        <PageProvider value={{ ...context, locales: texts.locales }}>{pageOf(view)}</PageProvider>
      </TextProvider>,
    )}\n`,
  }
}

// Signing in with e-mail and password, on one page, and signing out.
import type { Views } from '../../src/pages/views.js'
import { onward } from '../kit/address.js'
import { Button, EndOldest, Field, Form, ProblemSummary } from '../kit/form.js'
import { PasskeyForm } from '../kit/passkey.js'
import { DoneNotice } from '../kit/notice.js'
import { useText } from '../kit/text.js'
import { ProviderButton } from './identities.js'
import { Shell } from './shell.js'

export function SignIn({ returnTo, email, problem, done, providers, canSignUp, hasMagicLink, passkey }: Views['sign-in']) {
  const { t } = useText()
  return (
    <Shell title="sign-in.title" isProblem={problem !== null}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/sign-in', returnTo)}>
        <Field id="email" label="field.email" type="email" value={email} problem={problem} autocomplete="username webauthn" required maxlength={254} autofocus={email === ''} />
        <Field id="current-password" label="field.password" problem={problem} type="password" autocomplete="current-password" required maxlength={1024} autofocus={email !== ''} />
        <EndOldest problem={problem} />
        <Button label="sign-in.do" isWide />
      </Form>
      {passkey !== null && <PasskeyForm ask={passkey} kind="get" action={onward('/ui/sign-in', returnTo)} label="sign-in.passkey" isAutofill />}
      {providers.length > 0 && (
        <>
          <p class="or">{t('sign-in.or')}</p>
          <div class="form">{providers.map(({ id, name }) => <ProviderButton key={id} field="provider" id={id} name={name} action={onward('/ui/sign-in', returnTo)} isWide />)}</div>
        </>
      )}
      <p class="aside">
        {hasMagicLink && <a href={onward('/ui/magic-link', returnTo)}>{t('sign-in.magic')}</a>}
        <a href={onward('/ui/forgot', returnTo)}>{t('sign-in.forgot')}</a>
        {canSignUp && <a href={onward('/ui/sign-up', returnTo)}>{t('sign-in.new')}</a>}
      </p>
    </Shell>
  )
}

export function SignOut({ email }: Views['sign-out']) {
  const { t } = useText()
  return (
    <Shell title="sign-out.title" lead={t('sign-out.lead', { email })}>
      <Form><div class="actions"><Button label="sign-out.do" /><a href="/ui/account">{t('sign-out.stay')}</a></div></Form>
    </Shell>
  )
}

export function SignedOut() {
  const { t } = useText()
  return (
    <Shell title="signed-out.title" lead={t('signed-out.lead')}>
      <p><a href="/ui/sign-in">{t('signed-out.again')}</a></p>
    </Shell>
  )
}

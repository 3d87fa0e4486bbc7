// Opening an account of one's own: asking for it, and opening it with a mailed link.
import type { Views } from '../../src/pages/views.js'
import { onward } from '../kit/address.js'
import { Button, Field, Form, ProblemSummary, Username } from '../kit/form.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

const PASSWORD_RULES = 'minlength: 12; allowed: unicode;'

export function SignUp({ returnTo, asksPassword, email, name, problem }: Views['sign-up']) {
  const { t } = useText()
  return (
    <Shell title="sign-up.title" isProblem={problem !== null} lead={asksPassword ? undefined : t('sign-up.lead')}>
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/sign-up', returnTo)}>
        <Field id="email" label="field.email" type="email" value={email} problem={problem} autocomplete="username" required maxlength={254} autofocus={email === '' || !asksPassword} />
        {asksPassword && <Field id="name" label="field.name" hint="profile.hint" value={name} autocomplete="name" maxlength={200} />}
        {asksPassword && <Field id="new-password" label="field.password" hint="password.hint" type="password" problem={problem} autocomplete="new-password" required maxlength={1024} autofocus={email !== ''} passwordrules={PASSWORD_RULES} />}
        <Button label={asksPassword ? 'sign-up.do' : 'sign-up.ask'} isWide />
      </Form>
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('sign-up.known')}</a></p>
    </Shell>
  )
}

export function OpenAccount({ by, email, name, problem }: Views['open-account']) {
  const { t } = useText()
  return (
    <Shell title="open-account.title" isProblem={problem !== null} lead={t('open-account.lead')}>
      <ProblemSummary problem={problem} />
      <Form action={`/ui/${by}`}>
        <Username email={email} />
        <Field id="name" label="field.name" hint="profile.hint" value={name} autocomplete="name" maxlength={200} />
        <Field id="new-password" label="field.password" hint="password.hint" type="password" problem={problem} autocomplete="new-password" required maxlength={1024} passwordrules={PASSWORD_RULES} autofocus />
        <Button label="sign-up.do" isWide />
      </Form>
      {problem?.code === 'email.has-account' && <p class="aside"><a href="/ui/sign-in">{t('sign-up.known')}</a></p>}
    </Shell>
  )
}

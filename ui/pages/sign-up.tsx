// Opening an account of one's own.
import type { Views } from '../../src/pages/views.js'
import { onward } from '../kit/address.js'
import { Button, Field, Form, ProblemSummary } from '../kit/form.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function SignUp({ returnTo, email, name, problem }: Views['sign-up']) {
  const { t } = useText()
  return (
    <Shell title="sign-up.title" isProblem={problem !== null}>
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/sign-up', returnTo)}>
        <Field id="email" label="field.email" type="email" value={email} problem={problem} autocomplete="username" required maxlength={254} autofocus={email === ''} />
        <Field id="name" label="field.name" hint="profile.hint" value={name} autocomplete="name" maxlength={200} />
        <Field id="new-password" label="field.password" hint="password.hint" type="password" problem={problem} autocomplete="new-password" required maxlength={1024} autofocus={email !== ''} passwordrules="minlength: 12; allowed: unicode;" />
        <Button label="sign-up.do" isWide />
      </Form>
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('sign-up.known')}</a></p>
    </Shell>
  )
}

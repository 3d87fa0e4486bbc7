// Setting a password with a link.
import type { Views } from '../../src/pages/views.js'
import { Button, Field, Form, ProblemSummary, Username } from '../kit/form.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function Reset({ email, problem }: Views['reset']) {
  const { t } = useText()
  return (
    <Shell title="reset.title" isProblem={problem !== null} lead={t('reset.lead')}>
      <ProblemSummary problem={problem} />
      <Form action="/ui/reset">
        <Username email={email} />
        <Field id="new-password" label="field.new-password" hint="password.hint" type="password" problem={problem} autocomplete="new-password" required maxlength={1024} passwordrules="minlength: 12; allowed: unicode;" autofocus />
        <Button label="reset.do" isWide />
      </Form>
    </Shell>
  )
}

export function ResetVoid() {
  const { t } = useText()
  return (
    <Shell title="reset-void.title" isProblem lead={t('reset-void.lead')}>
      <p><a href="/ui/forgot">{t('reset-void.again')}</a></p>
    </Shell>
  )
}

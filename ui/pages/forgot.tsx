// Asking for a mail, and being told to look for it: the same for every address, whether or not there is an account.
import type { Sent as What, Views } from '../../src/pages/views.js'
import { onward } from '../kit/address.js'
import { Button, Field, Form, ProblemSummary } from '../kit/form.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

const BACK: Readonly<Record<What, string>> = { forgot: '/ui/forgot', 'sign-up': '/ui/sign-up' }

export function Forgot({ returnTo, email, problem }: Views['forgot']) {
  const { t } = useText()
  return (
    <Shell title="forgot.title" isProblem={problem !== null} lead={t('forgot.lead')}>
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/forgot', returnTo)}>
        <Field id="email" label="field.email" type="email" value={email} problem={problem} autocomplete="username" required maxlength={254} autofocus />
        <Button label="forgot.do" isWide />
      </Form>
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('forgot.back')}</a></p>
    </Shell>
  )
}

export function Sent({ what, email }: Views['sent']) {
  const { t } = useText()
  return (
    <Shell title="sent.title" lead={email === '' ? t('sent.lead.unknown') : t('sent.lead', { email })}>
      <p>{t('sent.nothing')}</p>
      <p class="aside">
        {what !== null && <a href={BACK[what]}>{t('sent.again')}</a>}
        <a href="/ui/sign-in">{t('forgot.back')}</a>
      </p>
    </Shell>
  )
}

// The address of an account: asking for another one, and confirming one with a mailed link.
import type { Views } from '../../src/pages/views.js'
import { Button, Field, Form, ProblemSummary } from '../kit/form.js'
import { DoneNotice } from '../kit/notice.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function Email({ email, isProven, wanted, problem, done }: Views['email']) {
  const { t } = useText()
  return (
    <Shell title="email.title" at="profile" isProblem={problem !== null} lead={email === '' ? t('email.lead.none') : t('email.lead', { email })}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      <Form action="/ui/account/email">
        <Field id="email" label="field.new-email" hint="email.hint" type="email" value={wanted} problem={problem} autocomplete="email" required maxlength={254} />
        <div class="actions"><Button label="email.do" /></div>
      </Form>
      {email !== '' && !isProven && (
        <section class="section">
          <h2>{t('email.unproven')}</h2>
          <p>{t('email.unproven.lead')}</p>
          <Form class="form--line" action="/ui/account/email" hidden={{ prove: 'true' }}><Button label="email.prove" kind="plain" /></Form>
        </section>
      )}
    </Shell>
  )
}

export function ConfirmAddress({ kind, email, problem }: Views['confirm-address']) {
  const { t } = useText()
  return (
    <Shell title="confirm-address.title" isProblem={problem !== null} lead={kind === 'change' ? t('confirm-address.change', { email }) : t('confirm-address.verify', { email })}>
      <ProblemSummary problem={problem} />
      <Form action="/ui/confirm-address" hidden={{ kind }}>
        <Button label="confirm-address.do" isWide />
      </Form>
      <p class="aside">{t('confirm-address.not-me')}</p>
    </Shell>
  )
}

export function Join({ organization, email, problem }: Views['join']) {
  const { t } = useText()
  return (
    <Shell title="join.title" isProblem={problem !== null} lead={t('join.lead', { organization, email })}>
      <ProblemSummary problem={problem} />
      <Form action="/ui/join/confirm">
        <Button label="join.do" isWide />
      </Form>
      <p class="aside">{t('join.not-me')}</p>
    </Shell>
  )
}

export function LinkVoid() {
  const { t } = useText()
  return (
    <Shell title="link-void.title" isProblem lead={t('link-void.lead')}>
      <p><a href="/ui/sign-in">{t('signed-out.again')}</a></p>
    </Shell>
  )
}

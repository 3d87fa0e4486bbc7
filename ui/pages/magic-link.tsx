// Signing in by mail: asking for it, typing the code in, and what its link opens.
import type { Views } from '../../src/pages/views.js'
import { onward } from '../kit/address.js'
import { Button, EndOldest, Field, Form, ProblemSummary, Username } from '../kit/form.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function MagicAsk({ returnTo, email, problem }: Views['magic-ask']) {
  const { t } = useText()
  return (
    <Shell title="magic.title" isProblem={problem !== null} lead={t('magic.lead')}>
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/magic-link', returnTo)}>
        <Field id="email" label="field.email" type="email" value={email} problem={problem} autocomplete="username" required maxlength={254} autofocus />
        <Button label="magic.do" isWide />
      </Form>
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('forgot.back')}</a></p>
    </Shell>
  )
}

export function MagicCode({ returnTo, email, problem }: Views['magic-code']) {
  const { t } = useText()
  return (
    <Shell title="magic-code.title" isProblem={problem !== null} lead={email === '' ? t('magic-code.lead.unknown') : t('magic-code.lead', { email })}>
      <ProblemSummary problem={problem} />
      <Form action={onward('/ui/magic-link/code', returnTo)}>
        {email !== '' && <Username email={email} />}
        <Field id="code" label="field.code" hint="magic-code.hint" problem={problem} autocomplete="one-time-code" inputmode="numeric" isCode required maxlength={40} autofocus />
        <EndOldest problem={problem} />
        <Button label="magic-code.do" isWide />
      </Form>
      <p class="aside">
        <a href={onward('/ui/magic-link', returnTo)}>{t('magic-code.again')}</a>
        <a href={onward('/ui/sign-in', returnTo)}>{t('forgot.back')}</a>
      </p>
    </Shell>
  )
}

export function MagicOpen({ email, problem }: Views['magic-open']) {
  const { t } = useText()
  return (
    <Shell title="magic-open.title" isProblem={problem !== null} lead={t('magic-open.lead', { email })}>
      <ProblemSummary problem={problem} />
      <Form action="/ui/magic-link/open">
        <EndOldest problem={problem} />
        <Button label="magic-code.do" isWide />
      </Form>
    </Shell>
  )
}

export function MagicElsewhere() {
  const { t } = useText()
  return (
    <Shell title="magic-elsewhere.title" isProblem lead={t('magic-elsewhere.lead')}>
      <p class="aside"><a href="/ui/sign-in">{t('forgot.back')}</a></p>
    </Shell>
  )
}

export function MagicVoid() {
  const { t } = useText()
  return (
    <Shell title="magic-void.title" isProblem lead={t('magic-void.lead')}>
      <p class="aside">
        <a href="/ui/magic-link">{t('magic-code.again')}</a>
        <a href="/ui/sign-in">{t('forgot.back')}</a>
      </p>
    </Shell>
  )
}

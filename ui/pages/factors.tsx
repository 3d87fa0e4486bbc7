// Second factors: asked for at a sign-in or before an act, added, shown and removed.
import type { ComponentChildren } from 'preact'
import type { PasskeyAsk, FormProblem, Views } from '../../src/pages/views.js'
import { Button, Field, Form, ProblemSummary, Username } from '../kit/form.js'
import { DoneNotice, Secret } from '../kit/notice.js'
import { onward } from '../kit/address.js'
import { PasskeyForm } from '../kit/passkey.js'
import { QrCode } from '../kit/qr.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

interface ProofProps {
  action: string
  email: string
  hasApp: boolean
  hasCodes: boolean
  isRecovery: boolean
  passkey: PasskeyAsk | null
  problem: FormProblem | null
  /** leads back to this page with the other kind of code */
  here: (isRecovery: boolean) => string
}

/** The ways to prove a second factor: a passkey, a code of an app, a recovery code. */
function Proof({ action, email, hasApp, hasCodes, isRecovery, passkey, problem, here }: ProofProps) {
  const { t } = useText()
  const isCode = isRecovery || hasApp
  return (
    <>
      {passkey !== null && !isRecovery && <PasskeyForm ask={passkey} kind="get" action={action} label="verify.passkey" isFirst={!isCode} />}
      {isCode && (
        <Form action={isRecovery ? here(true) : action}>
          <Username email={email} />
          {isRecovery
            ? <Field id="recovery-code" label="field.recovery-code" hint="verify.recovery.hint" problem={problem} autocomplete="one-time-code" required maxlength={60} isCode autofocus />
            : <Field id="code" label="field.code" hint="verify.code.hint" problem={problem} autocomplete="one-time-code" inputmode="numeric" required maxlength={40} isCode autofocus />}
          <Button label="verify.do" isWide />
        </Form>
      )}
      <p class="aside">
        {isRecovery ? <a href={here(false)}>{t('verify.other')}</a> : hasCodes && <a href={here(true)}>{t('verify.recovery')}</a>}
      </p>
    </>
  )
}

const withRecovery = (path: string, returnTo: string) => (isRecovery: boolean): string => {
  const address = onward(path, returnTo)
  return isRecovery ? `${address}${address.includes('?') ? '&' : '?'}with=recovery-code` : address
}

export function Verify({ returnTo, problem, ...proof }: Views['verify']) {
  const { t } = useText()
  return (
    <Shell title="verify.title" isProblem={problem !== null} lead={t('verify.lead')}>
      <ProblemSummary problem={problem} />
      <Proof {...proof} problem={problem} action={onward('/ui/verify', returnTo)} here={withRecovery('/ui/verify', returnTo)} />
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('verify.back')}</a></p>
    </Shell>
  )
}

export function StepUp({ returnTo, hasFactor, problem, ...proof }: Views['step-up']) {
  const { t } = useText()
  const action = onward('/ui/step-up', returnTo)
  return (
    <Shell title="step-up.title" isProblem={problem !== null} lead={t('step-up.lead')}>
      <ProblemSummary problem={problem} />
      {hasFactor ? <Proof {...proof} problem={problem} action={action} here={withRecovery('/ui/step-up', returnTo)} /> : (
        <Form action={action}>
          <Username email={proof.email} />
          <Field id="current-password" label="field.password" type="password" problem={problem} autocomplete="current-password" required maxlength={1024} autofocus />
          <Button label="step-up.do" isWide />
        </Form>
      )}
      <p class="aside"><a href={onward('/ui/sign-in', returnTo)}>{t('step-up.anew')}</a></p>
    </Shell>
  )
}

export function Factors({ factors, recoveryCodes, isWanted, problem, done }: Views['factors']) {
  const { t, time } = useText()
  return (
    <Shell title="factors.title" at="factors" isProblem={problem !== null} lead={t('factors.lead')}>
      {isWanted && <p class="notice notice--warn"><strong>{t('factors.wanted')}</strong></p>}
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      {factors.length === 0 ? <p class="meta">{t('factors.none')}</p> : (
        <ul class="entries">
          {factors.map(({ id, kind, name, createdAt, lastUsedAt }) => (
            <li key={id}>
              <div class="entry">
                <strong>{name} <span class="tag">{t(kind === 'totp' ? 'factors.app' : 'factors.passkey')}</span></strong>
                <span class="meta">{t('factors.meta', { since: time(createdAt), used: lastUsedAt === null ? 'never' : time(lastUsedAt) })}</span>
              </div>
              <Form class="form--line" action="/ui/account/factors" hidden={{ remove: id }}><Button label="factors.remove" kind="deny" isSmall about={name} /></Form>
            </li>
          ))}
        </ul>
      )}
      <div class="actions">
        <a class="button" href="/ui/account/factors/passkey">{t('add-passkey.title')}</a>
        <a class="button" href="/ui/account/factors/app">{t('add-app.title')}</a>
      </div>
      {factors.length > 0 && (
        <section class="section">
          <h2>{t('codes.title')}</h2>
          <p>{t('codes.left', { left: recoveryCodes })}</p>
          <Form class="form--line" action="/ui/account/factors" hidden={{ codes: 'yes' }}><Button label="codes.renew" kind="plain" /></Form>
        </section>
      )}
    </Shell>
  )
}

export function AddApp({ name, begun, problem }: Views['add-app']) {
  const { t } = useText()
  const action = '/ui/account/factors/app'
  let content: ComponentChildren
  if (begun === null) {
    content = (
      <Form action={action}>
        <Field id="name" label="add-app.name" hint="add-app.name.hint" value={name} problem={problem} required maxlength={100} autofocus />
        <div class="actions"><Button label="add-app.begin" /><a href="/ui/account/factors">{t('back')}</a></div>
      </Form>
    )
  } else {
    const { id, secret, uri } = begun
    content = (
      <>
        <QrCode text={uri} label={t('add-app.qr')} />
        <Secret label={t('add-app.secret')} value={secret.replace(/(.{4})(?=.)/g, '$1 ')} />
        <Form action={action} hidden={{ name, id, secret, uri }}>
          <Field id="code" label="field.code" hint="add-app.code.hint" problem={problem} autocomplete="one-time-code" inputmode="numeric" required maxlength={40} isCode autofocus />
          <div class="actions"><Button label="add-app.do" /><a href="/ui/account/factors">{t('back')}</a></div>
        </Form>
      </>
    )
  }
  return (
    <Shell title="add-app.title" at="factors" isProblem={problem !== null} lead={t(begun === null ? 'add-app.lead' : 'add-app.scan')}>
      <ProblemSummary problem={problem} />
      {content}
    </Shell>
  )
}

export function AddPasskey({ passkey, problem }: Views['add-passkey']) {
  const { t } = useText()
  return (
    <Shell title="add-passkey.title" at="factors" isProblem={problem !== null} lead={t('add-passkey.lead')}>
      <ProblemSummary problem={problem} />
      <PasskeyForm ask={passkey} kind="create" action="/ui/account/factors/passkey" label="add-passkey.do" isFirst />
      <noscript><p class="notice">{t('add-passkey.script')}</p></noscript>
      <p><a href="/ui/account/factors">{t('back')}</a></p>
    </Shell>
  )
}

export function RecoveryCodes({ codes, isFirst }: Views['recovery-codes']) {
  const { t } = useText()
  return (
    <Shell title="codes.title" at="factors" lead={t(isFirst ? 'codes.first' : 'codes.new')}>
      <p class="notice notice--warn"><strong>{t('codes.once')}</strong></p>
      <div class="secret"><ol aria-label={t('codes.title')}>{codes.map((code) => <li key={code}>{code}</li>)}</ol></div>
      <p><a class="button" href="/ui/account/factors">{t('codes.done')}</a></p>
    </Shell>
  )
}

// Other systems by which one signs in: the way there, and what is linked.
import type { Views } from '../../src/pages/views.js'
import { safeHref } from '../kit/address.js'
import { Button, Form, ProblemSummary } from '../kit/form.js'
import { DoneNotice } from '../kit/notice.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function Leave({ to, name }: Views['leave']) {
  const { t } = useText()
  const address = safeHref(to)
  return (
    <Shell title="leave.title" lead={t('leave.lead', { name })} refresh={address}>
      <p><a class="button button--first" href={address} rel="noreferrer">{t('leave.do', { name })}</a></p>
    </Shell>
  )
}

export function Link({ provider, email, account, problem }: Views['link']) {
  const { t } = useText()
  return (
    <Shell title="link.title" isProblem={problem !== null} lead={t('link.lead', { provider, email, account })}>
      <ProblemSummary problem={problem} />
      <div class="actions">
        <Form class="form--line" action="/ui/link" hidden={{ answer: 'yes' }}><Button label="link.do" /></Form>
        <Form class="form--line" action="/ui/link" hidden={{ answer: 'no' }}><Button label="link.not" kind="plain" /></Form>
      </div>
    </Shell>
  )
}

export function Identities({ identities, providers, problem, done }: Views['identities']) {
  const { t, time } = useText()
  return (
    <Shell title="identities.title" at="identities" isProblem={problem !== null} lead={t('identities.lead')}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      {identities.length === 0 ? <p class="meta">{t('identities.none')}</p> : (
        <ul class="entries">
          {identities.map(({ id, provider, email, createdAt, lastUsedAt }) => (
            <li key={id}>
              <div class="entry">
                <strong>{provider.name}</strong>
                {email !== null && <span class="meta">{email}</span>}
                <span class="meta">{t('identities.meta', { since: time(createdAt), used: lastUsedAt === null ? 'never' : time(lastUsedAt) })}</span>
              </div>
              <Form class="form--line" action="/ui/account/identities" hidden={{ unlink: id }}><Button label="identities.unlink" kind="deny" isSmall about={`${provider.name}, ${email ?? ''}`} /></Form>
            </li>
          ))}
        </ul>
      )}
      {providers.length > 0 && (
        <section class="section">
          <h2>{t('identities.add')}</h2>
          <div class="actions">{providers.map(({ id, name }) => <ProviderButton key={id} field="link" id={id} name={name} action="/ui/account/identities" />)}</div>
        </section>
      )}
    </Shell>
  )
}

interface ProviderButtonProps {
  field: 'link' | 'provider'
  id: string
  name: string
  action: string
  isWide?: boolean
}

/** A form of one button, to another system. */
export function ProviderButton({ field, id, name, action, isWide = false }: ProviderButtonProps) {
  const { t } = useText()
  return (
    <Form class="form--line" action={action} hidden={{ [field]: id }}>
      <button type="submit" class={`button ${isWide ? 'button--wide' : ''}`}>{t('sign-in.with', { name })}</button>
    </Form>
  )
}

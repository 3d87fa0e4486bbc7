// What an application asks for, the answer, and the way back to it.
import type { Views } from '../../src/pages/views.js'
import { appHref, onward, safeHref } from '../kit/address.js'
import { Button, Form } from '../kit/form.js'
import { DoneNotice } from '../kit/notice.js'
import { type MessageKey, useText } from '../kit/text.js'
import { Shell } from './shell.js'

const KNOWN: Readonly<Record<string, MessageKey>> = {
  openid: 'consent.scope.openid', profile: 'consent.scope.profile', email: 'consent.scope.email', address: 'consent.scope.address', phone: 'consent.scope.phone', offline_access: 'consent.scope.offline_access',
}

export function Consent({ name, host, isOwnMachine, isVouchedFor, clientUri, policyUri, tosUri, account, scopes, version, again }: Views['consent']) {
  const { t } = useText()
  return (
    <Shell title="consent.title" lead={t('consent.lead', { name, account })}>
      {isOwnMachine && <div class="notice"><p>{t('consent.own-machine', { host })}</p></div>}
      {!isVouchedFor && <div class="notice"><p>{t('consent.unknown')}</p></div>}
      <ul class="entries">
        {scopes.map(({ name: scope, description, resource }) => {
          const known = KNOWN[scope]
          return (
            <li key={scope}>
              <div class="entry">
                <strong>{known !== undefined && description === null ? t(known) : (description === null || description === '' ? scope : description)}</strong>
                {resource !== null && <span class="meta">{resource}</span>}
              </div>
            </li>
          )
        })}
      </ul>
      <p class="meta">{t('consent.host', { host })}</p>
      <p class="meta">
        {clientUri !== null && <a href={safeHref(clientUri)} rel="noreferrer">{t('consent.client')}</a>}
        {' '}{policyUri !== null && <a href={safeHref(policyUri)} rel="noreferrer">{t('consent.policy')}</a>}
        {' '}{tosUri !== null && <a href={safeHref(tosUri)} rel="noreferrer">{t('consent.tos')}</a>}
      </p>
      <div class="actions">
        <Form class="form--line" hidden={{ answer: 'yes', version: String(version) }}><Button label="consent.allow" /></Form>
        <Form class="form--line" hidden={{ answer: 'no', version: String(version) }}><Button label="consent.deny" kind="plain" /></Form>
      </div>
      <p class="aside"><a href={onward('/ui/sign-in', again)}>{t('consent.other')}</a></p>
    </Shell>
  )
}

export function Applications({ applications, done }: Views['applications']) {
  const { t, time } = useText()
  return (
    <Shell title="applications.title" at="applications" lead={t('applications.lead')}>
      <DoneNotice done={done} />
      {applications.length === 0 ? <p class="meta">{t('applications.none')}</p> : (
        <ul class="entries">
          {applications.map(({ id, name, clientUri, scopes, grantedAt, lastUsedAt }) => (
            <li key={id}>
              <div class="entry">
                <strong>{name}</strong>
                {clientUri !== null && <a href={safeHref(clientUri)} rel="noreferrer">{t('consent.client')}</a>}
                <span class="meta">{scopes.join(', ')}</span>
                <span class="meta">{t('identities.meta', { since: time(grantedAt), used: lastUsedAt === null ? 'never' : time(lastUsedAt) })}</span>
              </div>
              <Form class="form--line" action="/ui/account/applications" hidden={{ withdraw: id }}><Button label="applications.withdraw" kind="deny" isSmall about={name} /></Form>
            </li>
          ))}
        </ul>
      )}
    </Shell>
  )
}

export function HandOver({ to, name }: Views['hand-over']) {
  const { t } = useText()
  const address = appHref(to)
  return (
    <Shell title="leave.title" lead={t('leave.lead', { name })} refresh={address}>
      <p><a class="button button--first" href={address} rel="noreferrer">{t('leave.do', { name })}</a></p>
    </Shell>
  )
}

export function AuthorizeProblem({ error, description }: Views['authorize-problem']) {
  const { t } = useText()
  return (
    <Shell title="authorize-problem.title" isProblem lead={t('authorize-problem.lead')}>
      <p class="meta">{t('authorize-problem.for-developers', { error, description })}</p>
    </Shell>
  )
}

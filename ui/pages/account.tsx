// The pages of one's own account: overview, profile, password, sign-ins and devices, and its end.
import type { Views } from '../../src/pages/views.js'
import { Button, Field, Form, ProblemSummary, ProblemText, Username } from '../kit/form.js'
import { DoneNotice, Moment } from '../kit/notice.js'
import { usePage } from '../kit/page-context.js'
import { useText } from '../kit/text.js'
import { nameOf, Shell } from './shell.js'

export function Account({ user: { email, name, createdAt, lastLoginAt } }: Views['account']) {
  const { t } = useText()
  return (
    <Shell title="account.title" at="account">
      <dl class="pairs">
        <div><dt>{t('field.email')}</dt><dd>{email}</dd></div>
        <div><dt>{t('field.name')}</dt><dd>{name ?? t('account.no-name')}</dd></div>
        <div><dt>{t('account.since')}</dt><dd><Moment at={createdAt} /></dd></div>
        {lastLoginAt !== null && <div><dt>{t('account.last-sign-in')}</dt><dd><Moment at={lastLoginAt} /></dd></div>}
      </dl>
      <section class="section">
        <h2>{t('account.data')}</h2>
        <p>{t('account.data.lead')}</p>
        <div class="actions">
          <Form class="form--line" action="/ui/account"><Button label="account.export" kind="plain" /></Form>
          <a class="button button--deny" href="/ui/account/delete">{t('delete.title')}</a>
        </div>
      </section>
    </Shell>
  )
}

export function Profile({ email, name, locale, version, problem, done }: Views['profile']) {
  const { t } = useText()
  const { locales } = usePage()
  // one's own is among them, whichever it is
  const offered = ['', ...new Set([...locales, ...(locale === '' ? [] : [locale])])]
  return (
    <Shell title="profile.title" at="profile" isProblem={problem !== null}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      <Form action="/ui/account/profile" hidden={{ version: String(version) }}>
        <Field id="name" label="field.name" hint="profile.hint" value={name} problem={problem} autocomplete="name" maxlength={200} />
        <div class="field">
          <label for="locale">{t('field.locale')}</label>
          <select class="input" id="locale" name="locale">
            {offered.map((tag) => <option key={tag} value={tag} selected={tag === locale} lang={tag === '' ? undefined : tag}>{tag === '' ? t('profile.locale.none') : nameOf(tag)}</option>)}
          </select>
        </div>
        <div class="actions"><Button label="save" /></div>
      </Form>
      <section class="section">
        <h2>{t('field.email')}</h2>
        <p>{email ?? t('email.lead.none')}</p>
        <div class="actions"><a class="button" href="/ui/account/email">{t('email.title')}</a></div>
      </section>
    </Shell>
  )
}

export function Password({ email, problem, done }: Views['password']) {
  const { t } = useText()
  return (
    <Shell title="password.title" at="password" isProblem={problem !== null} lead={t('password.lead')}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      <Form action="/ui/account/password">
        <Username email={email} />
        <Field id="current-password" label="field.current-password" type="password" problem={problem} autocomplete="current-password" required maxlength={1024} autofocus={done === null} />
        <Field id="new-password" label="field.new-password" hint="password.hint" type="password" problem={problem} autocomplete="new-password" required maxlength={1024} passwordrules="minlength: 12; allowed: unicode;" />
        <div class="actions"><Button label="password.do" /></div>
      </Form>
    </Shell>
  )
}

export function Sessions({ sessions, devices, isCut, done }: Views['sessions']) {
  const { t, time } = useText()
  return (
    <Shell title="sessions.title" at="sessions" lead={t('sessions.lead')}>
      <DoneNotice done={done} />
      <section class="section">
        <ul class="entries">
          {sessions.map(({ id, name, userAgent, address, createdAt, lastSeenAt, current }) => (
            <li key={id}>
              <div class="entry">
                <strong title={userAgent}>{name} {current && <span class="tag tag--good">{t('sessions.current')}</span>}</strong>
                <span class="meta">{t('sessions.meta', { address, since: time(createdAt), seen: time(lastSeenAt) })}</span>
              </div>
              {!current && <Form class="form--line" action="/ui/account/sessions" hidden={{ end: id }}><Button label="sessions.end" kind="plain" isSmall about={`${name}, ${address}, ${time(createdAt)}`} /></Form>}
            </li>
          ))}
        </ul>
        {isCut && <p class="meta">{t('list.cut')}</p>}
        {sessions.length > 1 && <Form action="/ui/account/sessions" hidden={{ others: 'yes' }}><div class="actions"><Button label="sessions.end-others" kind="deny" /></div></Form>}
      </section>
      <section class="section">
        <h2>{t('devices.title')}</h2>
        <p>{t('devices.lead')}</p>
        {devices.length === 0 ? <p class="meta">{t('devices.none')}</p> : (
          <ul class="entries">
            {devices.map(({ id, name, address, lastSeenAt, current }) => (
              <li key={id}>
                <div class="entry"><strong>{name} {current && <span class="tag tag--good">{t('devices.current')}</span>}</strong><span class="meta">{t('devices.meta', { address, seen: time(lastSeenAt) })}</span></div>
                <Form class="form--line" action="/ui/account/sessions" hidden={{ forget: id }}><Button label="devices.forget" kind="plain" isSmall about={`${name}, ${address}`} /></Form>
              </li>
            ))}
          </ul>
        )}
      </section>
    </Shell>
  )
}

export function DeleteAccount({ email, keys, sessions, problem }: Views['delete-account']) {
  const { t } = useText()
  return (
    <Shell title="delete.title" at="account" isProblem={problem !== null} lead={t('delete.lead', { keys, sessions })}>
      <ProblemSummary problem={problem} />
      <Form class="form--line" action="/ui/account"><Button label="account.export" kind="plain" /></Form>
      <Form action="/ui/account/delete">
        <Username email={email} />
        <div class="check">
          <input type="checkbox" id="sure" name="sure" value="yes" required aria-invalid={problem?.at === 'sure' ? 'true' : undefined} aria-describedby={problem?.at === 'sure' ? 'sure-fault' : undefined} />
          <label for="sure">{t('delete.sure')}</label>
        </div>
        {problem?.at === 'sure' && <p class="fault" id="sure-fault"><ProblemText problem={problem} /></p>}
        <div class="actions"><Button label="delete.do" kind="deny" /><a href="/ui/account">{t('delete.stay')}</a></div>
      </Form>
    </Shell>
  )
}

export function AccountDeleted() {
  const { t } = useText()
  return <Shell title="deleted.title" lead={t('deleted.lead')} />
}

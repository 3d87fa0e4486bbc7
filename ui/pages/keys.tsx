// One's own keys. A key itself is shown once, on the page that has made it.
import type { Views } from '../../src/pages/views.js'
import { Button, Field, Form, ProblemSummary, ProblemText } from '../kit/form.js'
import { DoneNotice, Secret } from '../kit/notice.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

const LIVES = ['30', '90', '365', ''] as const

export function Keys({ keys, isCut, mayIssue, held, filled, problem, done }: Views['keys']) {
  const { t, time } = useText()
  return (
    <Shell title="keys.title" at="keys" isProblem={problem !== null} lead={t('keys.lead')}>
      <DoneNotice done={done} />
      <ProblemSummary problem={problem} />
      {keys.length === 0 ? <p class="meta">{t('keys.none')}</p> : (
        <ul class="entries">
          {keys.map(({ id, name, start, kind, permissions, createdAt, lastUsedAt, endsAt }) => (
            <li key={id}>
              <div class="entry">
                <strong>{name}</strong>
                <span class="meta"><code>{start}…</code> {kind === 'standing' && <span class="tag">{t('keys.sold')}</span>}</span>
                {permissions.length > 0 && <span class="meta"><code>{permissions.join(' ')}</code></span>}
                <span class="meta">{t('keys.meta', { since: time(createdAt), used: lastUsedAt === null ? 'never' : time(lastUsedAt), end: endsAt === null ? 'never' : time(endsAt) })}</span>
              </div>
              <Form class="form--line" action="/ui/account/keys" hidden={{ revoke: id }}><Button label="keys.revoke" kind="deny" isSmall about={`${name}, ${start}`} /></Form>
            </li>
          ))}
        </ul>
      )}
      {isCut && <p class="meta">{t('list.cut')}</p>}
      {mayIssue && (
        <section class="section">
          <h2>{t('keys.issue')}</h2>
          <Form action="/ui/account/keys">
            <Field id="name" label="keys.name" value={filled.name} problem={problem} required maxlength={200} />
            <div class="field">
              <label for="days">{t('keys.days')}</label>
              <select class="input" id="days" name="days">
                {LIVES.map((days) => <option key={days} value={days} selected={days === filled.days}>{days === '' ? t('keys.days.none') : t('keys.days.some', { days: Number(days) })}</option>)}
              </select>
            </div>
            {held.length > 0 && (
              <div class="field">
                <label for="permissions">{t('keys.permissions')}</label>
                <p class="hint" id="permissions-hint">{t('keys.permissions.hint')}</p>
                <textarea class="input" id="permissions" name="permissions" rows={3} spellcheck={false} maxlength={4000} aria-describedby="permissions-hint" aria-invalid={problem?.at === 'permissions' ? 'true' : undefined}>{filled.permissions}</textarea>
                {problem?.at === 'permissions' && <p class="fault"><ProblemText problem={problem} /></p>}
                <p class="meta">{t('keys.held')} <code>{held.join(' ')}</code></p>
              </div>
            )}
            <div class="actions"><Button label="keys.do" /></div>
          </Form>
        </section>
      )}
    </Shell>
  )
}

export function KeyIssued({ name, secret, expiresAt }: Views['key-issued']) {
  const { t, time } = useText()
  return (
    <Shell title="key-issued.title" at="keys" lead={t('key-issued.lead', { name })}>
      <Secret label={t('key-issued.label')} value={secret} />
      <p class="notice notice--warn"><strong>{t('key-issued.once')}</strong></p>
      <p class="meta">{expiresAt === null ? t('key-issued.no-end') : t('key-issued.end', { time: time(expiresAt) })}</p>
      <p><a class="button" href="/ui/account/keys">{t('key-issued.done')}</a></p>
    </Shell>
  )
}

// Forms: real ones, that need no script. Each carries the hidden field that proves where it comes from, and says with words and with
// aria what is wrong with a field. Nothing is disabled, nothing is typed twice, paste is never in the way.
import type { ComponentChildren, ComponentProps } from 'preact'
import type { FormProblem } from '../../src/pages/views.js'
import { usePage } from './page-context.js'
import { type MessageKey, useText } from './text.js'

interface FormProps {
  /** what the form asks for, as hidden fields */
  hidden?: Record<string, string>
  class?: string
  action?: string
  /** what tells one form of a page from another */
  label?: string
  /** for the script of pages with passkeys */
  data?: Record<string, string>
  /** shown by that script */
  isHidden?: boolean
  children: ComponentChildren
}

/** A form that is posted to the page's own path, unless it says another. */
export function Form({ hidden = {}, action, label, children, data = {}, isHidden = false, ...rest }: FormProps) {
  const { csrf } = usePage()
  const attributes = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]))
  return (
    <form method="post" action={action} class={rest.class ?? 'form'} aria-label={label} hidden={isHidden} {...attributes}>
      <input type="hidden" name="csrf" value={csrf} />
      {Object.entries(hidden).map(([name, value]) => <input key={name} type="hidden" name={name} value={value} />)}
      {children}
    </form>
  )
}

interface FieldProps {
  id: string
  label: MessageKey
  hint?: MessageKey
  value?: string
  problem?: FormProblem | null
  type?: 'text' | 'email' | 'password'
  autocomplete?: string
  autofocus?: boolean
  required?: boolean
  readonly?: boolean
  inputmode?: 'numeric' | 'email' | 'text'
  maxlength?: number
  isCode?: boolean
  passwordrules?: string
}

/** One line to type into, with its label above and what is wrong with it below. Its name is its id. */
export function Field({ id, label, hint, problem = null, isCode = false, type = 'text', ...input }: FieldProps) {
  const { t } = useText()
  const { isScripted } = usePage()
  const fault = problem?.at === id ? problem : null
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(' ')
  const attributes = {
    ...input, id, name: id, type, class: isCode ? 'input input--code' : 'input', spellcheck: type === 'text' && !isCode ? undefined : false,
    'aria-invalid': fault ? 'true' : undefined, 'aria-describedby': described === '' ? undefined : described,
  } as ComponentProps<'input'>
  return (
    <div class="field">
      <label for={id}>{t(label)}</label>
      {hint && <p class="hint" id={`${id}-hint`}>{t(hint)}</p>}
      <input {...attributes} />
      {type === 'password' && isScripted && <button type="button" class="link-button reveal" data-reveal={id} data-hide={t('field.password.hide')} hidden>{t('field.password.show')}</button>}
      {fault && <p class="fault" id={`${id}-fault`}><ProblemText problem={fault} /></p>}
    </div>
  )
}

/** The name of the account, where a form asks for a password or a code alone: password managers want to know whose it is. */
export function Username({ email }: { email: string }) {
  const { t } = useText()
  return (
    <div class="field">
      <label for="email">{t('field.account')}</label>
      <input class="input" type="email" id="email" name="email" value={email} autocomplete="username" readonly />
    </div>
  )
}

export function ProblemText({ problem: { code, until } }: { problem: FormProblem }) {
  const { t, time } = useText()
  return <>{t(`problem.${code}`, { time: until === undefined ? '' : time(until) })}</>
}

/** What is wrong with the form, above it, with a link to the field. */
export function ProblemSummary({ problem }: { problem: FormProblem | null }) {
  const { t } = useText()
  if (problem === null) return null
  return (
    <div class="notice notice--deny" role="alert">
      <strong>{t('problem.title')}</strong>
      <p>{problem.at === undefined ? <ProblemText problem={problem} /> : <a href={`#${problem.at}`}><ProblemText problem={problem} /></a>}</p>
    </div>
  )
}

/** Where one is signed in at as many places as one may be: leave to end the oldest. */
export function EndOldest({ problem }: { problem: FormProblem | null }) {
  const { t } = useText()
  if (problem?.code !== 'sessions.full') return null
  return <div class="check"><input type="checkbox" id="end-oldest" name="end-oldest" value="yes" /><label for="end-oldest">{t('sign-in.end-oldest')}</label></div>
}

interface ButtonProps {
  label: MessageKey
  kind?: 'first' | 'deny' | 'plain'
  isWide?: boolean
  isSmall?: boolean
  name?: string
  value?: string
  /** for assistive technology, where several buttons of a page say the same */
  about?: string
}

export function Button({ label, kind = 'first', isWide = false, isSmall = false, about, ...button }: ButtonProps) {
  const { t } = useText()
  const classes = ['button', kind !== 'plain' && `button--${kind}`, isWide && 'button--wide', isSmall && 'button--small'].filter(Boolean).join(' ')
  return <button {...button} type="submit" class={classes} aria-label={about === undefined ? undefined : `${t(label)}: ${about}`}>{t(label)}</button>
}

// A mail as text and as HTML, in the language of its reader. The HTML is written by preact, which escapes what it is given.
import { IntlMessageFormat } from 'intl-messageformat'
import { type ComponentChild, Fragment, h } from 'preact'
import { renderToString } from 'preact-render-to-string'
import type { Mail } from './messages.js'
import { de } from './texts-de.js'
import { en, type MailKind, type MailText } from './texts-en.js'

export interface Rendered {
  subject: string
  text: string
  html: string
}

/** What an operator puts in place of ours. */
export interface MailOverrides {
  /** by language, then by `kind.part`: `device.new.subject` */
  messages: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** the page around a mail's HTML, with `{content}` where that goes; null: ours */
  frame: string | null
}

export interface RenderingDependencies {
  overrides: MailOverrides
  warn: (message: string) => void
  /** what links begin with */
  origin: string
  /** languages, the dearest first */
  wishes: readonly string[]
}

type Part = keyof MailText

const BUILT_IN: Readonly<Record<string, Readonly<Record<MailKind, MailText>>>> = { en, de }
const ENGLISH: Readonly<Record<MailKind, MailText>> = en
// mail programs know little CSS, and nothing of ours: what stands here is all that they are asked to know
const BODY = 'margin:0;padding:32px 16px;background:#f5f2eb;color:#1d1b17;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif'
const SHEET = 'max-width:560px;margin:0 auto;padding:32px;background:#fdfbf7;border:1px solid #dad3c5;border-radius:6px'
const BUTTON = 'display:inline-block;padding:12px 20px;background:#0e6656;color:#ffffff;border-radius:3px;text-decoration:none'
const SMALL = 'margin:24px 0 0;color:#6b6558;font-size:13px'

/** The first of the wishes that there are texts for (`de-AT` is content with `de`); else English. */
function chosen(wishes: readonly string[], has: (locale: string) => boolean): string {
  return wishes.flatMap((tag) => [tag, tag.split('-')[0] ?? tag]).find(has) ?? 'en'
}

function page(locale: string, { subject, lead, action, rest, site }: { subject: string; lead: string; action: { label: string; url: string } | null; rest: string | null; site: string }): { content: ComponentChild; whole: (content: ComponentChild) => ComponentChild } {
  const content = h('div', null,
    h('h1', { style: 'margin:0 0 16px;font-size:22px;line-height:1.3' }, subject),
    h('p', { style: 'margin:0' }, lead),
    action && h('p', { style: 'margin:24px 0' }, h('a', { href: action.url, style: BUTTON }, action.label)),
    action && h('p', { style: `${SMALL};word-break:break-all` }, action.url),
    rest && h('p', { style: 'margin:24px 0 0' }, rest),
    h('p', { style: SMALL }, site))
  const whole = (inner: ComponentChild): ComponentChild => h('html', { lang: locale },
    h('head', null, h('meta', { charset: 'utf-8' }), h('meta', { name: 'viewport', content: 'width=device-width' }), h('title', null, subject)),
    h('body', { style: BODY }, h('div', { style: SHEET }, inner)))
  return { content, whole }
}

const textOf = (content: ComponentChild): string => renderToString(h(Fragment, null, content))

/** Writes a mail. An operator's text that cannot be written with its facts is left out, and said. */
export function renderMail(mail: Mail, { overrides, warn, origin, wishes }: RenderingDependencies): Rendered {
  const locale = chosen(wishes, (tag) => tag in BUILT_IN || tag in overrides.messages)
  const site = new URL(origin).host
  const { path, at, ...facts }: Record<string, string | number | undefined> = { ...mail.facts }
  const time = at === undefined ? {} : { at: `${new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(new Date(at))} UTC` }
  const values = { ...facts, ...time, site }
  const write = (message: string): string => String(new IntlMessageFormat(message, locale, undefined, { ignoreTag: true }).format(values))

  function part(name: Part): string | null {
    const own = (BUILT_IN[locale] ?? ENGLISH)[mail.kind][name]
    const given = overrides.messages[locale]?.[`${mail.kind}.${name}`]
    if (own !== undefined && typeof given === 'string') {
      try {
        return write(given)
      } catch {
        warn(`GATEHOUSE_MAIL_DIR: messages/${locale}.json: ${mail.kind}.${name} asks for what it is not given`)
      }
    }
    return own === undefined ? null : write(own)
  }

  // a subject is one line
  const subject = (part('subject') ?? '').replaceAll(/\s+/g, ' ')
  const lead = part('lead') ?? ''
  const rest = part('rest')
  const label = part('action')
  const action = label === null || path === undefined ? null : { label, url: `${origin}${path}` }
  const { content, whole } = page(locale, { subject, lead, action, rest, site })
  const html = overrides.frame === null ? `<!doctype html>${textOf(whole(content))}` : overrides.frame.replace('{content}', () => textOf(content))
  const text = [lead, action && `${action.label}:\n${action.url}`, rest, `-- \n${site}`].filter((one) => one !== null).join('\n\n')
  return { subject, text, html }
}

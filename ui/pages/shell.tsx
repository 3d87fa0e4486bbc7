// What is around every hosted page: head, mark, the way between the pages of an account, languages. The title begins with "Problem: "
// after an error, so that whoever hears the page knows at once.
import type { ComponentChildren } from 'preact'
import { Mark } from '../kit/mark.js'
import { usePage } from '../kit/page-context.js'
import { type MessageKey, useText } from '../kit/text.js'

interface ShellProps {
  title: MessageKey
  /** something is wrong */
  isProblem?: boolean
  /** what the page is for, in one sentence */
  lead?: string | undefined
  /** the page of the account that this is */
  at?: AccountPage
  refresh?: string
  children?: ComponentChildren
}

export type AccountPage = (typeof ACCOUNT_PAGES)[number]

const ACCOUNT_PAGES = ['account', 'profile', 'password', 'sessions', 'factors', 'identities', 'applications', 'keys'] as const
const pathOf = (page: string): string => (page === 'account' ? '/ui/account' : `/ui/account/${page}`)

const NAMES: Readonly<Record<string, string>> = { en: 'English', de: 'Deutsch' }

/** The name of a language in itself. */
export function nameOf(locale: string): string {
  return NAMES[locale] ?? new Intl.DisplayNames([locale], { type: 'language', fallback: 'code' }).of(locale) ?? locale
}

function inLanguage(here: string, locale: string): string {
  const [path = '', query = ''] = here.split('?', 2)
  const search = new URLSearchParams(query)
  search.set('ui_locales', locale)
  return `${path}?${search.toString()}`
}

function Languages() {
  const { t, locale: current } = useText()
  const { here, locales } = usePage()
  return (
    <nav aria-label={t('foot.languages')}>
      <ul>
        {locales.map((locale) => (
          <li key={locale}>{locale === current
            ? <a href={inLanguage(here, locale)} aria-current="true" lang={locale}>{nameOf(locale)}</a>
            : <a href={inLanguage(here, locale)} lang={locale} hreflang={locale} rel="nofollow">{nameOf(locale)}</a>}</li>
        ))}
      </ul>
    </nav>
  )
}

export function Shell({ title, isProblem = false, lead, at, refresh, children }: ShellProps) {
  const { t, locale, dir } = useText()
  const { assets, isSignedIn, isScripted } = usePage()
  return (
    <html lang={locale} dir={dir}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{`${isProblem ? `${t('problem.prefix')} ` : ''}${t(title)} · Gatehouse`}</title>
        <meta name="robots" content="noindex" />
        {refresh !== undefined && <meta http-equiv="refresh" content={`0;url=${refresh}`} />}
        <link rel="stylesheet" href={assets.style} />
        {assets.theme !== null && <link rel="stylesheet" href={assets.theme} />}
        <link rel="icon" href={assets.icon} type="image/svg+xml" />
        {isScripted && <script src={assets.passkeys} type="module" />}
      </head>
      <body>
        <div class={at === undefined ? 'page' : 'page page--wide'}>
          <header class="head"><Mark />{at !== undefined && isSignedIn && <a href="/ui/sign-out">{t('sign-out.title')}</a>}</header>
          {at !== undefined && (
            <nav class="nav" aria-label={t('account.nav')}>
              <ul>{ACCOUNT_PAGES.map((page) => <li key={page}><a href={pathOf(page)} aria-current={page === at ? 'page' : undefined}>{t(`account.nav.${page}`)}</a></li>)}</ul>
            </nav>
          )}
          <main class="main">
            <div class="title">
              <h1>{t(title)}</h1>
              {lead !== undefined && <p>{lead}</p>}
            </div>
            {children}
          </main>
          <footer class="foot"><Languages /></footer>
        </div>
      </body>
    </html>
  )
}

// The mark: an arch in an arch, and the word; or the operator's logo.
import { usePage } from './page-context.js'
import { useText } from './text.js'

export function Mark() {
  const { t } = useText()
  const { assets: { logo, logoDark } } = usePage()
  if (logo !== null) {
    return (
      <span class="mark">
        <picture>
          {logoDark !== null && <source srcset={logoDark} media="(prefers-color-scheme: dark)" />}
          <img src={logo} alt={t('mark.logo')} height={32} />
        </picture>
      </span>
    )
  }
  return (
    <span class="mark">
      <svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="square" aria-hidden="true">
        <path d="M4 21V11a8 8 0 0 1 16 0v10M9 21v-7a3 3 0 0 1 6 0v7" />
      </svg>
      Gatehouse
    </span>
  )
}

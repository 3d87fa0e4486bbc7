// What has just been done, and what is shown once.
import type { Done } from '../../src/pages/views.js'
import { useText } from './text.js'

export function DoneNotice({ done }: { done: Done | null }) {
  const { t } = useText()
  return done === null ? null : <p class="notice notice--good" role="status">{t(`done.${done}`)}</p>
}

/** A secret that is shown this once: whole, selectable, with a name for who hears it. */
export function Secret({ label, value }: { label: string; value: string }) {
  return (
    <div class="secret">
      <span class="label" id="secret-label">{label}</span>
      <output aria-labelledby="secret-label">{value}</output>
    </div>
  )
}

/** A moment, for people and for machines. */
export function Moment({ at }: { at: string }) {
  const { time } = useText()
  return <time datetime={at}>{time(at)}</time>
}

// What a page says when there is nothing else to show: what happened, what to do, and the number to name when asking for help.
import type { Views } from '../../src/pages/views.js'
import { usePage } from '../kit/page-context.js'
import { useText } from '../kit/text.js'
import { Shell } from './shell.js'

export function ProblemPage({ fault, status, until }: Views['problem']) {
  const { t, time } = useText()
  const { requestId } = usePage()
  return (
    <Shell title={`fault.${fault}.title`} isProblem lead={t(`fault.${fault}.lead`, { time: until === undefined ? '' : time(until) })}>
      <p><small>{t('fault.reference', { status, id: requestId })}</small></p>
      <p><a href="/ui/account">{t('fault.onward')}</a></p>
    </Shell>
  )
}

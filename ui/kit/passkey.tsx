// A form that an authenticator fills in. It is there for who has the script, and nobody misses it who has not.
import type { PasskeyAsk } from '../../src/pages/views.js'
import { Button, Form } from './form.js'
import { type MessageKey, useText } from './text.js'

interface PasskeyFormProps {
  ask: PasskeyAsk
  kind: 'create' | 'get'
  action: string
  label: MessageKey
  /** also among what the browser fills in */
  isAutofill?: boolean
  isFirst?: boolean
  hidden?: Record<string, string>
}

export function PasskeyForm({ ask, kind, action, label, isAutofill = false, isFirst = false, hidden = {} }: PasskeyFormProps) {
  const { t } = useText()
  return (
    <Form action={action} hidden={{ ...hidden, credential: '' }} data={{ passkey: kind, options: JSON.stringify(ask.options), ...(isAutofill ? { autofill: '' } : {}) }} isHidden>
      <Button label={label} kind={isFirst ? 'first' : 'plain'} isWide />
      <p class="fault" role="alert" data-problem hidden>{t('passkey.called-off')}</p>
    </Form>
  )
}

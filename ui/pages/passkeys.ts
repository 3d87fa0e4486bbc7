// The one script of the hosted pages, on those with passkeys alone. It only adds: a button for passkeys, passkeys among what the browser fills in, and
// a way to see the password one types. What the authenticator answers goes to the server with a form like any other; nothing is fetched.
import { browserSupportsWebAuthn, browserSupportsWebAuthnAutofill, startAuthentication, startRegistration } from '@simplewebauthn/browser'

type CreationOptions = Parameters<typeof startRegistration>[0]['optionsJSON']
type RequestOptions = Parameters<typeof startAuthentication>[0]['optionsJSON']

function answer(form: HTMLFormElement, isAutofill: boolean): Promise<object> {
  const options = JSON.parse(form.dataset['options'] ?? '{}') as unknown
  if (form.dataset['passkey'] === 'create') return startRegistration({ optionsJSON: options as CreationOptions })
  return startAuthentication({ optionsJSON: options as RequestOptions, useBrowserAutofill: isAutofill })
}

/** Sends what the authenticator answered; says so where it was called off. */
async function send(form: HTMLFormElement, isAutofill = false): Promise<void> {
  const problem = form.querySelector<HTMLElement>('[data-problem]')
  if (problem) problem.hidden = true
  try {
    const credential = await answer(form, isAutofill)
    const field = form.elements.namedItem('credential')
    if (field instanceof HTMLInputElement) field.value = JSON.stringify(credential)
    form.submit()
  } catch {
    // called off, timed out, or no passkey here: nobody is told which
    if (problem && !isAutofill) problem.hidden = false
  }
}

function reveal(button: HTMLButtonElement): void {
  const input = document.querySelector<HTMLInputElement>(`#${CSS.escape(button.dataset['reveal'] ?? '')}`)
  if (!input) return
  const [show, hide] = [button.textContent, button.dataset['hide'] ?? '']
  button.hidden = false
  button.addEventListener('click', () => {
    const isShown = input.type === 'text'
    input.type = isShown ? 'password' : 'text'
    button.textContent = isShown ? show : hide
  })
  // a password manager looks for a password
  input.form?.addEventListener('submit', () => {
    input.type = 'password'
  })
}

for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-reveal]')) reveal(button)

if (browserSupportsWebAuthn()) {
  for (const form of document.querySelectorAll<HTMLFormElement>('form[data-passkey]')) {
    form.hidden = false
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void send(form)
    })
    if (form.dataset['autofill'] !== undefined) void browserSupportsWebAuthnAutofill().then((isSupported) => (isSupported ? send(form, true) : undefined))
  }
}

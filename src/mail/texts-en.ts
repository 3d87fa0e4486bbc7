// The words of mails in English: ICU messages. No mail repeats what its reader did not write themselves (a name, a note): a stranger who opens an
// account in somebody's name must not be able to write to them.
export interface MailText {
  subject: string
  lead: string
  /** the words of the one button, where there is a link */
  action?: string
  /** said after the button */
  rest?: string
}

export const en = {
  'device.new': {
    subject: 'A new device signed in',
    lead: 'Your account at {site} was signed in to from a device that had not been used before: {device}, from the address {address}, on {at}.',
    action: 'Look at your devices',
    rest: 'If this was you, there is nothing to do. If it was not, change your password now: that signs every device out.',
  },
  'password.reset_link': {
    subject: 'Choose a new password',
    lead: 'A new password was asked for, for your account at {site}.',
    action: 'Choose a new password',
    rest: 'The link works once, for {minutes} minutes. If you did not ask for it, there is nothing to do: your password stays as it is.',
  },
  'password.changed': {
    subject: 'Your password was changed',
    lead: 'The password of your account at {site} was changed on {at}. All other devices were signed out.',
    action: 'Choose a new password',
    rest: 'If this was you, there is nothing to do. If it was not, choose a new password now.',
  },
  'password.removed': {
    subject: 'Your password was removed',
    lead: 'On {at}, you signed in at {site} by mail for the first time. As nobody had shown before that this address is theirs, the password that the account had was removed, and everybody else was signed out.',
    action: 'Choose a new password',
    rest: 'You need none to sign in by mail.',
  },
  'signup.confirm': {
    subject: 'Confirm your address',
    lead: 'An account at {site} was asked for with this address.',
    action: 'Confirm and choose a password',
    rest: 'The link works once, for {hours} hours. If you did not ask for an account, there is nothing to do: none is opened.',
  },
  'signup.known': {
    subject: 'You have an account already',
    lead: 'An account at {site} was asked for with this address, which has one already. Nothing was changed.',
    action: 'Sign in',
    rest: 'If you have forgotten your password, the sign-in page lets you choose a new one. If you did not ask, there is nothing to do.',
  },
  'invitation': {
    subject: 'You are invited',
    lead: 'You are invited to open an account at {site}.',
    action: 'Accept the invitation',
    rest: 'The link works once, for {days} days. If you expected no invitation, there is nothing to do.',
  },
  'organization.invitation': {
    subject: 'You are invited into {organization}',
    lead: 'You are invited into the organization {organization} at {site}.',
    action: 'Look at the invitation',
    rest: 'The link works once, for {days} days, and for the account of this address. If you expected no invitation, there is nothing to do.',
  },
  'email.verify': {
    subject: 'Confirm your address',
    lead: 'This address was given for an account at {site}.',
    action: 'Confirm this address',
    rest: 'The link works once, for {hours} hours. If it is not your account, do not confirm.',
  },
  'email.change': {
    subject: 'Confirm your new address',
    lead: 'This address is to become that of an account at {site}.',
    action: 'Confirm the new address',
    rest: 'The link works once, for {hours} hours. If it is not your account, do not confirm.',
  },
  'email.change_asked': {
    subject: 'A new address was given for your account',
    lead: 'On {at}, a new address was given for your account at {site}. It takes the place of this one once it is confirmed.',
    action: 'Look at your account',
    rest: 'If this was not you, change your password now: that voids the change.',
  },
  'email.changed': {
    subject: 'The address of your account was changed',
    lead: 'On {at}, another address took the place of this one at your account at {site}.',
    rest: 'If this was not you, tell those who run {site} at once.',
  },
  'magic.link': {
    subject: 'Your sign-in code: {code}',
    lead: 'Your code to sign in at {site} is {code}. Enter it where you asked for it, or open the link in the same browser.',
    action: 'Sign in',
    rest: 'It works once, for {minutes} minutes. If you did not ask to sign in, there is nothing to do. Give the code to nobody, whoever asks.',
  },
  'factor.added': {
    subject: 'A second factor was added',
    lead: 'On {at}, {factor, select, totp {an authenticator app} passkey {a passkey} recovery_codes {a set of recovery codes} other {a second factor}} was added to your account at {site}.',
    action: 'Look at your account',
    rest: 'If this was not you, change your password now and take the factor away.',
  },
  'factor.removed': {
    subject: 'A second factor was removed',
    lead: 'On {at}, {factor, select, totp {an authenticator app} passkey {a passkey} recovery_codes {the set of recovery codes} other {a second factor}} was removed from your account at {site}.',
    action: 'Look at your account',
    rest: 'If this was not you, change your password now.',
  },
  'factors.reset_planned': {
    subject: 'Your second factors are to be removed',
    lead: 'An administrator of {site} was asked to remove all second factors of your account. This happens on {at}.',
    action: 'Sign in to stop it',
    rest: 'If you did not ask for it, sign in before then, which stops it, and tell those who run {site}.',
  },
  'factors.reset': {
    subject: 'Your second factors were removed',
    lead: 'On {at}, all second factors of your account at {site} were removed, as was asked of an administrator.',
    action: 'Sign in and add new ones',
  },
  'identity.linked': {
    subject: 'A way to sign in was added',
    lead: 'On {at}, an account of another system was linked to your account at {site}: it can be used to sign in.',
    action: 'Look at what is linked',
    rest: 'If this was not you, change your password now and take the link away.',
  },
  'identity.unlinked': {
    subject: 'A way to sign in was removed',
    lead: 'On {at}, an account of another system was unlinked from your account at {site}.',
    action: 'Look at what is linked',
    rest: 'If this was not you, change your password now.',
  },
  'account.impersonated': {
    subject: 'An administrator acted in your name',
    lead: 'On {at}, an administrator of {site} began to act in your account, for at most 15 minutes, as is done to help with a problem. All of it is on record.',
    rest: 'If you asked for no help, ask those who run {site}.',
  },
  'account.deleted': {
    subject: 'Your account was deleted',
    lead: 'On {at}, your account at {site} was deleted, with what belonged to it.',
  },
  'organization.joined': {
    subject: 'You are in {organization} now',
    lead: 'On {at}, you were taken into the organization {organization} at {site}: it has proven that the domain {domain} of your address is its own.',
    rest: 'Those who run it see the name and the address of your account. You may leave it at any time, and are not taken in again.',
  },
  'organization.webhook_disabled': {
    subject: 'A webhook endpoint of {organization} was disabled',
    lead: 'On {at}, the webhook endpoint {endpoint} of the organization {organization} at {site} was disabled: {why, select, gone {it answered that it is no more} other {it had taken nothing for five days}}. Nothing is sent there any more.',
    rest: 'When it takes messages again, enable it, and have what it missed sent once more.',
  },
  'webhook.disabled': {
    subject: 'A webhook endpoint was disabled',
    lead: 'On {at}, the webhook endpoint {endpoint} that you gave {site} was disabled: {why, select, gone {it answered that it is no more} other {it had taken nothing for five days}}. Nothing is sent there any more.',
    rest: 'When it takes messages again, enable it, and have what it missed sent once more.',
  },
} as const satisfies Record<string, MailText>

export type MailKind = keyof typeof en

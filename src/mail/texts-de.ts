// The words of mails in German.
import type { MailKind, MailText } from './texts-en.js'

export const de: Readonly<Record<MailKind, MailText>> = {
  'device.new': {
    subject: 'Anmeldung mit einem neuen Gerät',
    lead: 'Bei Ihrem Konto auf {site} hat sich ein Gerät angemeldet, das bisher nicht benutzt wurde: {device}, von der Adresse {address}, am {at}.',
    action: 'Geräte ansehen',
    rest: 'Waren Sie das, ist nichts zu tun. Waren Sie es nicht, ändern Sie jetzt Ihr Passwort: Das meldet alle Geräte ab.',
  },
  'password.reset_link': {
    subject: 'Neues Passwort wählen',
    lead: 'Für Ihr Konto auf {site} wurde ein neues Passwort angefordert.',
    action: 'Neues Passwort wählen',
    rest: 'Der Link gilt einmal, {minutes} Minuten lang. Haben Sie das nicht angefordert, ist nichts zu tun: Ihr Passwort bleibt, wie es ist.',
  },
  'password.changed': {
    subject: 'Ihr Passwort wurde geändert',
    lead: 'Das Passwort Ihres Kontos auf {site} wurde am {at} geändert. Alle anderen Geräte wurden abgemeldet.',
    action: 'Ein neues Passwort wählen',
    rest: 'Waren Sie das, ist nichts zu tun. Wenn nicht, wählen Sie jetzt ein neues Passwort.',
  },
  'password.removed': {
    subject: 'Ihr Passwort wurde entfernt',
    lead: 'Am {at} haben Sie sich auf {site} zum ersten Mal per Mail angemeldet. Weil vorher niemand gezeigt hatte, dass diese Adresse die seine ist, wurde das bisherige Passwort des Kontos entfernt, und alle anderen wurden abgemeldet.',
    action: 'Ein neues Passwort wählen',
    rest: 'Um sich per Mail anzumelden, brauchen Sie keines.',
  },
  'signup.confirm': {
    subject: 'Adresse bestätigen',
    lead: 'Mit dieser Adresse wurde ein Konto auf {site} angefordert.',
    action: 'Bestätigen und Passwort wählen',
    rest: 'Der Link gilt einmal, {hours} Stunden lang. Haben Sie kein Konto angefordert, ist nichts zu tun: Es wird keines eröffnet.',
  },
  'signup.known': {
    subject: 'Sie haben schon ein Konto',
    lead: 'Mit dieser Adresse wurde ein Konto auf {site} angefordert. Es gibt schon eines; geändert wurde nichts.',
    action: 'Anmelden',
    rest: 'Haben Sie Ihr Passwort vergessen, können Sie auf der Anmeldeseite ein neues wählen. Haben Sie nichts angefordert, ist nichts zu tun.',
  },
  'invitation': {
    subject: 'Sie sind eingeladen',
    lead: 'Sie sind eingeladen, ein Konto auf {site} zu eröffnen.',
    action: 'Einladung annehmen',
    rest: 'Der Link gilt einmal, {days} Tage lang. Haben Sie keine Einladung erwartet, ist nichts zu tun.',
  },
  'organization.invitation': {
    subject: 'Einladung zu {organization}',
    lead: 'Sie sind in die Organisation {organization} bei {site} eingeladen.',
    action: 'Einladung ansehen',
    rest: 'Der Link gilt einmal, {days} Tage lang, und für das Konto dieser Adresse. Wenn Sie keine Einladung erwarten, ist nichts zu tun.',
  },
  'email.verify': {
    subject: 'Adresse bestätigen',
    lead: 'Diese Adresse wurde für ein Konto auf {site} angegeben.',
    action: 'Adresse bestätigen',
    rest: 'Der Link gilt einmal, {hours} Stunden lang. Ist es nicht Ihr Konto, bestätigen Sie nicht.',
  },
  'email.change': {
    subject: 'Neue Adresse bestätigen',
    lead: 'Diese Adresse soll die eines Kontos auf {site} werden.',
    action: 'Neue Adresse bestätigen',
    rest: 'Der Link gilt einmal, {hours} Stunden lang. Ist es nicht Ihr Konto, bestätigen Sie nicht.',
  },
  'email.change_asked': {
    subject: 'Für Ihr Konto wurde eine neue Adresse angegeben',
    lead: 'Am {at} wurde für Ihr Konto auf {site} eine neue Adresse angegeben. Sie gilt statt dieser, sobald sie bestätigt ist.',
    action: 'Konto ansehen',
    rest: 'Waren Sie das nicht, ändern Sie jetzt Ihr Passwort: Das macht die Änderung ungültig.',
  },
  'email.changed': {
    subject: 'Die Adresse Ihres Kontos wurde geändert',
    lead: 'Am {at} ist bei Ihrem Konto auf {site} eine andere Adresse an die Stelle dieser getreten.',
    rest: 'Waren Sie das nicht, wenden Sie sich sofort an die Betreiber von {site}.',
  },
  'magic.link': {
    subject: 'Ihr Anmeldecode: {code}',
    lead: 'Ihr Code zur Anmeldung auf {site} ist {code}. Geben Sie ihn dort ein, wo Sie ihn angefordert haben, oder öffnen Sie den Link im selben Browser.',
    action: 'Anmelden',
    rest: 'Er gilt einmal, {minutes} Minuten lang. Wollten Sie sich nicht anmelden, ist nichts zu tun. Geben Sie den Code niemandem, wer auch fragt.',
  },
  'factor.added': {
    subject: 'Ein zweiter Faktor wurde hinzugefügt',
    lead: 'Am {at} wurde {factor, select, totp {eine Authenticator-App} passkey {ein Passkey} recovery_codes {ein Satz Wiederherstellungscodes} other {ein zweiter Faktor}} zu Ihrem Konto auf {site} hinzugefügt.',
    action: 'Konto ansehen',
    rest: 'Waren Sie das nicht, ändern Sie jetzt Ihr Passwort und entfernen Sie den Faktor.',
  },
  'factor.removed': {
    subject: 'Ein zweiter Faktor wurde entfernt',
    lead: 'Am {at} wurde {factor, select, totp {eine Authenticator-App} passkey {ein Passkey} recovery_codes {der Satz Wiederherstellungscodes} other {ein zweiter Faktor}} von Ihrem Konto auf {site} entfernt.',
    action: 'Konto ansehen',
    rest: 'Waren Sie das nicht, ändern Sie jetzt Ihr Passwort.',
  },
  'factors.reset_planned': {
    subject: 'Ihre zweiten Faktoren sollen entfernt werden',
    lead: 'Die Verwaltung von {site} wurde gebeten, alle zweiten Faktoren Ihres Kontos zu entfernen. Das geschieht am {at}.',
    action: 'Anmelden und anhalten',
    rest: 'Haben Sie das nicht gewünscht, melden Sie sich vorher an, das hält es an, und wenden Sie sich an die Betreiber von {site}.',
  },
  'factors.reset': {
    subject: 'Ihre zweiten Faktoren wurden entfernt',
    lead: 'Am {at} wurden alle zweiten Faktoren Ihres Kontos auf {site} entfernt, wie es von der Verwaltung erbeten wurde.',
    action: 'Anmelden und neue hinzufügen',
  },
  'identity.linked': {
    subject: 'Ein Anmeldeweg wurde hinzugefügt',
    lead: 'Am {at} wurde ein Konto eines anderen Systems mit Ihrem Konto auf {site} verknüpft: Damit kann man sich anmelden.',
    action: 'Verknüpfungen ansehen',
    rest: 'Waren Sie das nicht, ändern Sie jetzt Ihr Passwort und lösen Sie die Verknüpfung.',
  },
  'identity.unlinked': {
    subject: 'Ein Anmeldeweg wurde entfernt',
    lead: 'Am {at} wurde die Verknüpfung Ihres Kontos auf {site} mit einem Konto eines anderen Systems gelöst.',
    action: 'Verknüpfungen ansehen',
    rest: 'Waren Sie das nicht, ändern Sie jetzt Ihr Passwort.',
  },
  'account.impersonated': {
    subject: 'Die Verwaltung hat in Ihrem Namen gehandelt',
    lead: 'Am {at} hat die Verwaltung von {site} begonnen, in Ihrem Konto zu handeln, höchstens 15 Minuten lang, um bei einem Problem zu helfen. Alles davon ist aufgezeichnet.',
    rest: 'Haben Sie nicht um Hilfe gebeten, fragen Sie die Betreiber von {site}.',
  },
  'account.deleted': {
    subject: 'Ihr Konto wurde gelöscht',
    lead: 'Am {at} wurde Ihr Konto auf {site} gelöscht, mit allem, was dazu gehörte.',
  },
  'organization.joined': {
    subject: 'Sie gehören jetzt zu {organization}',
    lead: 'Am {at} wurden Sie in die Organisation {organization} auf {site} aufgenommen: Sie hat nachgewiesen, dass die Domain {domain} Ihrer Adresse die ihre ist.',
    rest: 'Wer sie verwaltet, sieht Namen und Adresse Ihres Kontos. Sie können sie jederzeit verlassen und werden dann nicht wieder aufgenommen.',
  },
  'organization.webhook_disabled': {
    subject: 'Ein Webhook-Endpunkt von {organization} wurde abgeschaltet',
    lead: 'Am {at} wurde der Webhook-Endpunkt {endpoint} der Organisation {organization} auf {site} abgeschaltet: {why, select, gone {er antwortete, dass es ihn nicht mehr gibt} other {er hat fünf Tage lang nichts angenommen}}. Dorthin wird nichts mehr gesendet.',
    rest: 'Nimmt er wieder Nachrichten an, schalten Sie ihn ein und lassen Sie noch einmal senden, was ihm entgangen ist.',
  },
  'webhook.disabled': {
    subject: 'Ein Webhook-Endpunkt wurde abgeschaltet',
    lead: 'Am {at} wurde der Webhook-Endpunkt {endpoint}, den Sie {site} gegeben haben, abgeschaltet: {why, select, gone {er antwortete, dass es ihn nicht mehr gibt} other {er hat fünf Tage lang nichts angenommen}}. Dorthin wird nichts mehr gesendet.',
    rest: 'Nimmt er wieder Nachrichten an, schalten Sie ihn ein und lassen Sie noch einmal senden, was ihm entgangen ist.',
  },
}

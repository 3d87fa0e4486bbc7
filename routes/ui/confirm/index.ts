// Opening the account that was asked for, with a mailed link.
import { accountOpening } from '../../../plugins/http/page-kit.js'

export default accountOpening(({ signUp, signUps }) => ({
  by: 'confirm', counted: '/api/v1/auth/signup/confirm', isVoid: ['confirmation.void', 'account.not_anonymous'],
  requireOpen: () => signUp.requireOpen(), emailOf: signUps.emailOf, open: signUps.confirm,
}))

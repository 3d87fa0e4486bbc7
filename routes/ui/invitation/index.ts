// Accepting an invitation: opening the account that one is invited to.
import { accountOpening } from '../../../plugins/http/page-kit.js'

export default accountOpening(({ invitations, signUp }) => ({
  by: 'invitation', counted: '/api/v1/auth/invitations/accept', isVoid: ['invitation.void'],
  requireOpen: () => signUp.requireInvitations(), emailOf: invitations.emailOf, open: invitations.accept,
}))

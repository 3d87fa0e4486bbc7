// Opening an account of one's own, with or without confirming its address first.
import { createSignUpService, type SignUpDependencies, type SignUpService } from './sign-up-service.js'

export type { SignUpInput, SignUpService } from './sign-up-service.js'

export function createSignUp(needs: SignUpDependencies): { signUps: SignUpService } {
  return { signUps: createSignUpService(needs) }
}

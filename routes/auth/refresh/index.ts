// Trading a refresh token for the next pair of tokens.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { strict } from '../../../plugins/http/route-kit.js'

const Refresh = strict({ refreshToken: Type.String({ minLength: 1, maxLength: 200, description: 'The newest refresh token of the session' }) }, {
  examples: [{ refreshToken: 'gr_AZLwwStqfD2eT1prfI2eDwAAAABsn2CvIcmEdNlqvR7fTGZnVFyGGsJFo3TzEXtTMdYTkw' }],
})

const TokenPair = strict({
  accessToken: Type.String({ description: 'JWT (RFC 9068), for Authorization: Bearer' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds the access token lives' }),
  refreshToken: Type.String({ description: 'Takes the place of the one that was sent' }),
}, { examples: [{ accessToken: 'eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.AA', tokenType: 'Bearer', expiresIn: 300, refreshToken: 'gr_AZLwwStqfD2eT1prfI2eDwAAAAEhJ0pVhQpXEsZkXUeZ3fZ1zHKjdnFfUEdIdLHfO0nTEQ' }] })

export default (async (app) => {
  app.post('/', {
    schema: {
      operationId: 'refreshTokens', summary: 'Get new tokens',
      description: 'A refresh token works once. Asking again within 10 seconds gives the same new refresh token, as long as that is unused; any other second use ends the session.',
      tags: ['Sign-in'],
      body: Refresh,
      response: { 200: TokenPair },
    },
    config: { access: ['public'], errors: ['refresh.invalid'] },
  }, async (request) => app.sessions.refresh(request.caller, request.body.refreshToken))
}) satisfies FastifyPluginAsyncTypebox

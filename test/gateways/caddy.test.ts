// The real Caddy with docs/gateways/Caddyfile.
import t from 'tap'
import { freePort, missing, openHouse, startGateway } from '../support/gateway.js'
import { gatewayCases, unknownHosts } from '../support/gateway-cases.js'

t.test('Caddy', { skip: missing('caddy') }, async (t) => {
  const house = await openHouse(t)
  const port = await freePort()
  await startGateway(t, {
    binary: 'caddy', files: ['Caddyfile'], port, args: (folder) => ['run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'],
    replace: { '{$OTHERS:http://:8080}': `http://:${port}`, '{$SITE:http://localhost:8080}': `http://localhost:${port}`, '{$GATEHOUSE:127.0.0.1:3001}': `127.0.0.1:${house.gatehousePort}`, '{$APP:127.0.0.1:9000}': `127.0.0.1:${house.appPort}` },
  })
  await unknownHosts(t, house, port)
  await gatewayCases(t, house, port, { limitsOnSuccess: false, clearsByName: true })
})

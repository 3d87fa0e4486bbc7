// Traefik and Envoy, which Debian does not have: emulated, with the header names of docs/gateways/traefik.yml and envoy.yaml.
// That these two files are read by the real programs is not tested.
import t from 'tap'
import { openHouse, send } from '../support/gateway.js'
import { gatewayCases } from '../support/gateway-cases.js'
import { envoy, startEmulated, traefik } from '../support/emulated-gateway.js'

t.test('Traefik, emulated', async (t) => {
  const house = await openHouse(t)
  const port = await startEmulated(t, traefik(), { gatehouse: house.gatehousePort, app: house.appPort })
  await gatewayCases(t, house, port, { limitsOnSuccess: false, clearsByName: true })
})

t.test('Envoy, emulated', async (t) => {
  const house = await openHouse(t)
  const port = await startEmulated(t, envoy(), { gatehouse: house.gatehousePort, app: house.appPort })
  t.equal((await send(port, { path: '/../../livez' })).status, 403, 'no way out of the prefix that Envoy puts before the target')
  await gatewayCases(t, house, port, { limitsOnSuccess: true, refusesUnderscores: true })
})

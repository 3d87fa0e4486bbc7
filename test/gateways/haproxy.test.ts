// The real HAProxy with docs/gateways/haproxy.cfg and its Lua script.
import t from 'tap'
import { freePort, type House, missing, openHouse, send, startGateway } from '../support/gateway.js'
import { gatewayCases, unknownHosts } from '../support/gateway-cases.js'

const skip = missing('haproxy')

function settings(house: House, port: number, replace: Record<string, string> = {}) {
  return {
    binary: 'haproxy', files: ['haproxy.cfg', 'haproxy.lua'], port, args: (folder: string) => ['-db', '-f', `${folder}/haproxy.cfg`],
    replace: {
      'bind :8080': `bind 127.0.0.1:${port}`, '/etc/haproxy/haproxy.lua': 'FOLDER/haproxy.lua', '127.0.0.1:3001': `127.0.0.1:${house.gatehousePort}`,
      '127.0.0.1:9000': `127.0.0.1:${house.appPort}`, ...replace,
    },
  }
}

t.test('HAProxy', { skip }, async (t) => {
  const house = await openHouse(t)
  const port = await freePort()
  await startGateway(t, settings(house, port))
  await unknownHosts(t, house, port)
  await gatewayCases(t, house, port, { limitsOnSuccess: true })
})

t.test('HAProxy lets nothing through when the script breaks off', { skip }, async (t) => {
  const house = await openHouse(t)
  const port = await freePort()
  await startGateway(t, settings(house, port, { 'local answer = core': 'local answer = no_such_thing' }))
  t.equal((await send(port, { path: '/' })).status, 503)
  t.equal(house.seen.length, 0)
})

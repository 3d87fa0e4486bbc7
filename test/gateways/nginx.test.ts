// The real nginx with docs/gateways/nginx.conf.
import t from 'tap'
import { freePort, missing, openHouse, startGateway } from '../support/gateway.js'
import { gatewayCases } from '../support/gateway-cases.js'

t.test('nginx', { skip: missing('nginx') }, async (t) => {
  const house = await openHouse(t)
  const port = await freePort()
  await startGateway(t, {
    binary: 'nginx', files: ['nginx.conf'], port,
    args: (folder) => ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', 'stderr', '-g', `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;`],
    replace: {
      'listen 8080;': `listen 127.0.0.1:${port}; access_log off; client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;`,
      '127.0.0.1:3001': `127.0.0.1:${house.gatehousePort}`, '127.0.0.1:9000': `127.0.0.1:${house.appPort}`,
    },
  })
  await gatewayCases(t, house, port, { limitsOnSuccess: true })
})

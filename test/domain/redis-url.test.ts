// The forms of REDIS_URL, read without connecting.
import t from 'tap'
import { movedTo } from '../../src/shared-store/slot-connector.js'
import { describeRedisUrl, readRedisUrl, redisUrlMistake } from '../../src/kernel/redis-url.js'

const SENTINEL = {
  kind: 'sentinel', tls: false, sentinels: [{ host: 'a', port: 26_379 }], name: 'main', db: 0, username: null, password: null, sentinelUsername: null, sentinelPassword: null, keyPrefix: null,
}

t.test('one server: the URL as it is, without the prefix of keys', async (t) => {
  t.same(readRedisUrl('redis://u:p@cache:6379/2?keyPrefix=two:&family=6'), { kind: 'server', url: 'redis://u:p@cache:6379/2?family=6', db: 2, keyPrefix: 'two:' })
  t.same(readRedisUrl('rediss://cache'), { kind: 'server', url: 'rediss://cache', db: 0, keyPrefix: null })
  t.match(readRedisUrl('redis://cache?db=3'), { db: 3 })
})

t.test('sentinels: hosts, the name of the master, the database, and both pairs of credentials', async (t) => {
  const table: [string, object][] = [
    ['redis+sentinel://a/main', {}], ['redis+sentinel://a/main/', {}], ['redis+sentinel://a:26379/main/0', {}],
    ['rediss+sentinel://a:1,b-2.example:65535,[::1]:3,[fe80::1]/my-main_1.x/15', {
      tls: true, sentinels: [{ host: 'a', port: 1 }, { host: 'b-2.example', port: 65_535 }, { host: '::1', port: 3 }, { host: 'fe80::1', port: 26_379 }], name: 'my-main_1.x', db: 15,
    }],
    ['redis+sentinel://:p@a/main', { password: 'p' }], ['redis+sentinel://u:p%40%2F%25:q@a/main', { username: 'u', password: 'p@/%:q' }],
    ['redis+sentinel://a/main?sentinelUsername=s&sentinelPassword=t%26&keyPrefix=two:', { sentinelUsername: 's', sentinelPassword: 't&', keyPrefix: 'two:' }],
  ]
  for (const [url, differs] of table) t.same(readRedisUrl(url), { ...SENTINEL, ...differs }, url)
})

t.test('a cluster: hosts, without a name and a database', async (t) => {
  const cluster = { kind: 'cluster', tls: false, nodes: [{ host: 'a', port: 6_379 }], username: null, password: null, keyPrefix: null }
  const table: [string, object][] = [
    ['redis+cluster://a', {}], ['redis+cluster://a/', {}], ['redis+cluster://a/0', {}], ['redis+cluster://a?keyPrefix=two:', { keyPrefix: 'two:' }],
    ['rediss+cluster://u:p%40@a:1,[::1]:2', { tls: true, username: 'u', password: 'p@', nodes: [{ host: 'a', port: 1 }, { host: '::1', port: 2 }] }],
  ]
  for (const [url, differs] of table) t.same(readRedisUrl(url), { ...cluster, ...differs }, url)
})

t.test('where a slot has moved to is read from what a server of a cluster says', async (t) => {
  t.same(movedTo('MOVED 12182 10.0.0.2:6381', 'a'), { host: '10.0.0.2', port: 6_381 })
  t.same(movedTo('MOVED 12182 ::1:6381', 'a'), { host: '::1', port: 6_381 })
  t.same(movedTo('MOVED 12182 :6381', 'a'), { host: 'a', port: 6_381 }, 'the same host on another port')
  for (const message of ['MOVED 12182 ?:6381', 'CLUSTERDOWN The cluster is down', 'ASK 12182 b:1', '']) t.equal(movedTo(message, 'a'), null, message)
})

t.test('what is wrong is said with the form that is right, and never with what was given', async (t) => {
  const table: [string, RegExp][] = [
    ['redis+sentinel://:hunter2@a', /redis\+sentinel:\/\/user:password@host:port,host:port\/NAME\/0/], ['redis+sentinel://:hunter2@a:hunter2/main', /each host as host:port/],
    ['redis+sentinel://:hunter%2@a/main', /%25/], ['redis+sentinel://:hun#ter2@a/main', /must have the form/], ['redis+sentinel://a/main?hunter2=1', /no options but keyPrefix/],
    ['redis+cluster://:hunter2@a:1/3', /no database but 0/], ['redis+cluster://:hunter2@a?keyPrefix={hunter}', /without \{ and \}/], ['redis+cluster://:hunter2@a?db=0', /no options but keyPrefix/],
    ['redis+cluster://:hunter2@', /redis\+cluster:\/\/user:password@host:port,host:port/], ['redis+hunter://a', /must begin with redis:\/\//], ['redis://:hunter2@h:port', /^is not a URL$/],
  ]
  for (const [url, words] of table) {
    t.match(redisUrlMistake(url), words, url)
    t.notMatch(redisUrlMistake(url), /hunter/)
  }
  t.equal(redisUrlMistake('redis+sentinel://a,b/main/1'), null)
})

t.test('shown without users, passwords and options', async (t) => {
  t.equal(describeRedisUrl('redis://u:hunter2@cache:6379/0?keyPrefix=x:'), 'redis://cache:6379/0')
  t.equal(describeRedisUrl('rediss+sentinel://u:hunter2@a:1,[::1]:2/main/0?sentinelPassword=hunter2'), 'rediss+sentinel://a:1,[::1]:2/main/0')
})

// Where a stored or sent URL may lead: the table of spellings under which an address of special use has been got past checks like this one.
import t from 'tap'
import { createAddressJudge, plainAddress } from '../../src/outbound/address-rules.js'
import { createOutbound, OutboundError } from '../../src/outbound/index.js'
import { targetOf } from '../../src/outbound/target-rules.js'

// hosts as they may stand in a URL; each is an address that no stranger may have us ask
const SPECIAL: Record<string, readonly string[]> = {
  'this network': ['0.0.0.0', '0.1.2.3', '0', '0x0', '00'],
  loopback: [
    '127.0.0.1', '127.255.255.254', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0x7F.1', '0177.0.0.1', '017700000001', '0177.0.0.0x1', '127.0.0.1.', '%31%32%37.0.0.1',
    '１２７.0.0.1', '127。0。0。1', '①②⑦.0.0.1', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:7f00:0001]', '[::127.0.0.1]', '[::7f00:1]',
    '[2002:7f00:1::]', '[64:ff9b::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[::ffff:0:127.0.0.1]', '[2001:0:7f00:1::]',
  ],
  private: ['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '0xa.1', '167772161', '3232235521', '0300.0250.0.1', '[::ffff:10.0.0.1]', '[::ffff:c0a8:1]', '[64:ff9b::10.0.0.1]', '[2002:a00:1::1]'],
  'carrier-grade NAT': ['100.64.0.1', '100.127.255.255', '[::ffff:100.64.0.1]'],
  'link-local': ['169.254.1.1', '[fe80::1]', '[febf::1]', '[::ffff:169.254.1.1]'],
  metadata: ['169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]', '100.100.100.200', '168.63.129.16', '192.0.0.192', '[fd00:ec2::254]', '[fd20:ce::254]',
    'metadata', 'metadata.google.internal', 'METADATA.google.internal', 'instance-data'],
  'unique and site local': ['[fc00::1]', '[fdff::1]', '[fec0::1]'],
  'multicast and broadcast': ['224.0.0.1', '239.255.255.255', '255.255.255.255', '0xffffffff', '4294967295', '[ff02::1]', '[ff0e::1]'],
  'documentation, benchmarks, protocols': ['192.0.0.1', '192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255', '192.88.99.1', '240.0.0.1', '[2001:db8::1]', '[3fff::1]', '[100::1]', '[2001:2::1]', '[2001:10::1]', '[2001:20::1]', '[5f00::1]'],
  unassigned: ['[4000::1]', '[1::1]', '[::]', '[::8.8.8.8]'],
}

const PUBLIC = ['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1', '[2606:4700:4700::1111]', '[::ffff:8.8.8.8]', '[64:ff9b::8.8.8.8]', 'example.com', 'xn--bcher-kva.example', 'metadata.example.com']

const NOT_ASKED = [
  'ftp://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'data:text/plain,x', 'gopher://example.com/', '//example.com/', 'example.com', '', 'https:/example.com', 'https:example.com', 'https:\\\\example.com',
  'https://', 'https:///x', 'https://user@example.com/', 'https://user:password@example.com/', 'https://@example.com/', 'https://example.com@127.0.0.1/', 'https://127.0.0.1#@example.com/', 'https://example.com/#x', 'https://example.com/#',
  'https://example.com\\@127.0.0.1/', 'https://example.com/\n', 'https://exa\tmple.com/', ' https://example.com/', 'https://example.com /', 'https://example.com./', 'https://example.com:22/', 'https://example.com:25/', 'https://example.com:6379/x y',
  'https://example.com:6667/', 'https://example.com:0/', 'https://example.com:65536/', 'https://[::1', 'https://[fe80::1%25eth0]/', 'https://1.2.3.4.5/', 'https://256.256.256.256/', 'https://08.8.8.8/', 'https://0x08.8.8.8/', 'https://8.8.2056/', 'https://134744072/',
  `https://example.com/${'x'.repeat(2_100)}`, 'https://exa%00mple.com/', 'https://exa mple.com/',
]

async function reasonOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'asked'
  } catch (error) {
    if (error instanceof OutboundError) return error.reason
    throw error
  }
}

t.test('an address of special use is refused in every spelling, over https and http', async (t) => {
  const { outbound, close } = createOutbound({ config: { outboundAllow: [] }, lookup: async () => { throw new Error('nothing is resolved') } })
  t.teardown(close)
  for (const [kind, hosts] of Object.entries(SPECIAL)) {
    for (const host of hosts) {
      for (const url of [`https://${host}/`, `https://${host}:8443/x?y`, `http://${host}/`]) {
        t.equal(await reasonOf(() => outbound.check(url)), 'refused', `${kind}: ${url}, when it is stored`)
        t.equal(await reasonOf(() => outbound.fetch(url)), 'refused', `${kind}: ${url}, when it is asked`)
      }
    }
  }
})

t.test('the same addresses are refused where a name resolves to them, alone or beside a public one', async (t) => {
  const { outbound, close } = createOutbound({
    config: { outboundAllow: [] },
    lookup: async (name) => name.split('.', 1)[0] === 'both' ? [{ address: '8.8.8.8', family: 4 }, { address: '127.0.0.1', family: 4 }] : [{ address: answer, family: 4 }],
  })
  t.teardown(close)
  let answer = ''
  const answers = Object.values(SPECIAL).flat().map((host) => host.replace(/^\[|\]$/g, '')).filter((host) => plainAddress(host) !== null)
  t.ok(answers.length > 60)
  for (answer of [...answers, '::1%lo', 'fe80::1%eth0', '', 'localhost']) t.equal(await reasonOf(() => outbound.fetch(`https://name-${answers.indexOf(answer)}.example/`)), 'refused', answer)
  t.equal(await reasonOf(() => outbound.fetch('https://both.example/')), 'refused', 'a name that mixes them')
})

t.test('what two readers could take for two places is no URL to ask', async (t) => {
  for (const url of NOT_ASKED) t.equal(await reasonOf(() => targetOf(url)), 'refused', JSON.stringify(url.slice(0, 60)))
})

t.test('what is public is asked, over https alone', async (t) => {
  const judge = createAddressJudge([])
  const { outbound, close } = createOutbound({ config: { outboundAllow: [] } })
  t.teardown(close)
  for (const host of PUBLIC) {
    const { address } = targetOf(`https://${host}/`)
    if (address !== null) t.equal(judge(address), 'public', host)
    t.equal(await reasonOf(() => outbound.check(`https://${host}/`)), 'asked', host)
    t.equal(await reasonOf(() => outbound.check(`http://${host}/`)), 'refused', `http to ${host}`)
  }
})

t.test('the operator allows networks of their own, and never what is nobody\'s', async (t) => {
  const judge = createAddressJudge(['10.0.0.0/8', '127.0.0.1', '::1', 'fd12::/16', '0.0.0.0/0', '::/0'])
  for (const address of ['10.1.2.3', '127.0.0.1', '::1', 'fd12::5']) t.equal(judge(address), 'allowed', address)
  for (const address of ['169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fe80::1', 'ff02::1', '0.0.0.0', '::', '255.255.255.255']) t.equal(judge(address), 'refused', `${address}, though everything is allowed`)
  const narrow = createAddressJudge(['10.0.0.0/8'])
  for (const address of ['127.0.0.1', '192.168.0.1', '::1', 'fd12::5', '11.0.0.1.5']) t.equal(narrow(address), 'refused', address)
  t.equal(narrow('8.8.8.8'), 'public', 'what is public stays so')
})

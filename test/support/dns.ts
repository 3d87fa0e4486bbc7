// A DNS server of one's own: it answers over UDP and TCP what the test has put into its zone, in the bytes that any resolver reads (dns-packet).
import { createSocket, type RemoteInfo } from 'node:dgram'
import { createServer } from 'node:net'
import { once } from 'node:events'
import packet from 'dns-packet'
import type { Teardown } from './database.js'

export interface DnsServer {
  /** address and port, as DNS_SERVERS has them */
  address: string
  /** names to what is there; what is not in it is not there */
  txt: Map<string, string[]>
  cname: Map<string, string>
  /** names that nobody answers for (SERVFAIL), and those that are never answered at all */
  failing: Set<string>
  silent: Set<string>
  asked: string[]
}

export async function startDnsServer(t: Teardown): Promise<DnsServer> {
  const zone = { txt: new Map<string, string[]>(), cname: new Map<string, string>(), failing: new Set<string>(), silent: new Set<string>(), asked: [] as string[] }

  function answer(query: packet.Packet): packet.Packet | null {
    const [question] = query.questions ?? []
    const name = question?.name.toLowerCase() ?? ''
    zone.asked.push(`${question?.type ?? ''} ${name}`)
    if (zone.silent.has(name)) return null
    const alias = zone.cname.get(name)
    const at = alias ?? name
    const answers: packet.Answer[] = [
      ...(alias === undefined ? [] : [{ type: 'CNAME' as const, name, ttl: 0, data: alias }]),
      ...(question?.type === 'TXT' ? (zone.txt.get(at) ?? []).map((text) => ({ type: 'TXT' as const, name: at, ttl: 0, data: text.match(/.{1,255}/g) ?? [''] })) : []),
    ]
    const isThere = zone.txt.has(at) || alias !== undefined
    const code = zone.failing.has(name) ? 2 : isThere ? 0 : 3
    return { type: 'response', ...(query.id === undefined ? {} : { id: query.id }), flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | code, questions: query.questions ?? [], answers: code === 0 ? answers : [] }
  }

  const udp = createSocket('udp4')
  udp.on('message', (message: Buffer, { port, address }: RemoteInfo) => {
    const reply = answer(packet.decode(message))
    if (!reply) return
    const bytes = packet.encode(reply)
    // what does not fit is asked for again over TCP
    const isLong = bytes.length > 512
    udp.send(isLong ? packet.encode({ ...reply, flags: (reply.flags ?? 0) | packet.TRUNCATED_RESPONSE, answers: [] }) : bytes, port, address)
  })
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  const { port } = udp.address()
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return
      const reply = answer(packet.streamDecode(received))
      if (reply) socket.end(packet.streamEncode(reply))
    })
  })
  tcp.listen(port, '127.0.0.1')
  await once(tcp, 'listening')
  t.teardown(() => {
    udp.close()
    tcp.close()
  })
  return { address: `127.0.0.1:${port}`, ...zone }
}

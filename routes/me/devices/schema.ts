// A device as its owner sees it.
import { Type } from '@sinclair/typebox'
import { NullableTime, strict, Time } from '../../../plugins/http/route-kit.js'

const example = {
  id: '0198c0de-7d3a-7c1e-9a53-0d9a3c0b6f66', name: 'Firefox on Linux', userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', address: '203.0.113.7',
  firstSeenAt: '2027-01-01T09:00:00.000Z', lastSeenAt: '2027-01-02T08:30:00.000Z', expiresAt: '2027-04-02T08:30:00.000Z', current: true,
}

export const Device = strict({
  id: Type.String({ format: 'uuid' }),
  name: Type.String({ description: 'In short, from the user agent' }),
  userAgent: Type.String({ description: 'What it said of itself at its last sign-in, cut to 200 characters' }),
  address: Type.String({ description: 'Where its last sign-in came from' }),
  firstSeenAt: { ...NullableTime, description: 'null: before this was noted' },
  lastSeenAt: Type.String({ format: 'date-time', description: 'Its last sign-in' }),
  expiresAt: Time,
  current: Type.Boolean({ description: 'Is it the browser of this request? Known by its cookie' }),
}, { examples: [example] })
export const DeviceList = strict({ data: Type.Array(Device, { description: 'All of them, the last used first' }) }, { examples: [{ data: [example] }] })

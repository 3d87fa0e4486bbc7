// limits/window.ts and limits/gcra.ts in Lua, so that Redis decides and charges in one step, and hands out leases. A window is
// one hash: h and t are the numbers of its oldest and newest bucket, n what is counted, w its length, and each bucket a field
// "first last count". A meter is a hash of its level and at. Both have b, when they
// began, and v, which grows with each charge. A contract test holds both to the rules' answers. However full a counter is and whatever is
// asked, a charge takes a handful of commands: its buckets are read, and dropped, in one. Redis 5 and newer.
import { MOST_LEVEL } from '../algorithms/gcra.js'
import { MOST_MS } from '../limit-bounds.js'
import { PRESENCE } from './presence-script.js'
import { MOST_BUCKETS } from '../algorithms/window.js'

/** How many values of ARGV describe one charge, after the six that describe the request. */
export const FIELDS = 10

/** How many values of the answer describe one charge, after the two that describe the decision. */
export const ANSWERED = 7

/**
 * KEYS: one for each charge, and last who shares the limits. ARGV: now in ms, or '' for the server's own clock; nodes that share; 1 to charge
 * nothing; what the asking node knows of the memory of this Redis (see presence-script.ts). Then for each charge: w or g, 1 if strict, windowMs, quota, burst, cost, units wanted on top as a lease (-1: to be counted whatever is left), and the bucket's number, its first and
 * the units of it to take back. Answers only -1 when this is not what the node knows; else allowed (1 or 0), retryAfterMs (-1 for never), then for each charge remaining, resetMs,
 * units leased, the number and first of the bucket that holds them, b and v.
 */
export const TAKE_SCRIPT = `
local UNIT = 1000000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local nodes = tonumber(ARGV[2])
local dry = ARGV[3] == '1'
${PRESENCE}
local function text(value) return string.format('%.0f', value) end

local function line(b) return text(b.first) .. ' ' .. text(b.last) .. ' ' .. text(b.count) end

local function parse(value)
  local first, last, count = string.match(value, '^(%d+) (%d+) (%d+)$')
  return { first = tonumber(first), last = tonumber(last), count = tonumber(count) }
end

local function bucket(key, number) return parse(redis.call('HGET', key, text(number))) end

local Window = {}

-- all of a window's buckets by their number, read once
local function buckets(key, w)
  if w.all then return w.all end
  local names = {}
  for number = w.head, w.tail do names[#names + 1] = text(number) end
  w.all = {}
  for at, value in ipairs(redis.call('HMGET', key, unpack(names))) do w.all[w.head + at - 1] = parse(value) end
  w.all[w.tail] = w.newest
  return w.all
end

function Window.load(key, c)
  local found = redis.call('HMGET', key, 'h', 't', 'n', 'w', 'v', 'b')
  if not found[1] then return { head = 1, tail = 0, used = 0, pending = 0, length = c.windowMs, version = 0, born = now } end
  local w = { head = tonumber(found[1]), tail = tonumber(found[2]), used = tonumber(found[3]), pending = 0 }
  w.length = math.max(c.windowMs, tonumber(found[4] or '0'))
  w.version = tonumber(found[5] or '0')
  w.born = tonumber(found[6] or '0')
  w.newest = bucket(key, w.tail)
  if now < w.newest.last then
    redis.call('DEL', key)
    w.head, w.tail, w.newest = 1, 1, { first = now, last = now, count = w.used }
    redis.call('HSET', key, 'h', '1', 't', '1', 'n', text(w.used), 'w', text(w.length), 'v', text(w.version), 'b', text(w.born), '1', line(w.newest))
    redis.call('PEXPIRE', key, text(w.length + 1000))
    return w
  end
  if w.newest.last + w.length <= now then
    redis.call('DEL', key)
    return { head = 1, tail = 0, used = 0, pending = 0, length = c.windowMs, version = 0, born = now }
  end
  if w.head < w.tail and bucket(key, w.head).last + w.length <= now then
    local all, gone = buckets(key, w), {}
    while all[w.head].last + w.length <= now do
      w.used = w.used - all[w.head].count
      gone[#gone + 1] = text(w.head)
      w.head = w.head + 1
    end
    redis.call('HDEL', key, unpack(gone))
    redis.call('HSET', key, 'h', text(w.head), 'n', text(w.used))
  end
  return w
end

function Window.refund(key, w, number, first, units)
  if number < w.head or number > w.tail then return end
  local b = number == w.tail and w.newest or w.all and w.all[number] or bucket(key, number)
  if b.first ~= first then return end
  local back = math.min(units, b.count)
  b.count = b.count - back
  w.used = w.used - back
  redis.call('HSET', key, 'n', text(w.used), text(number), line(b))
end

function Window.wait(key, w, c, cost)
  if w.used + cost <= c.quota then return 0 end
  if cost > c.quota then return -1 end
  local excess, all = w.used + cost - c.quota, buckets(key, w)
  for number = w.head, w.tail do
    excess = excess - all[number].count
    if excess <= 0 then return all[number].last + w.length - now end
  end
  return -1
end

function Window.admit(key, w, c, units)
  w.used = w.used + units
  w.version = w.version + 1
  if w.newest and (now < w.newest.first + math.ceil(c.windowMs / 59) or w.tail - w.head + 1 >= ${MOST_BUCKETS}) then
    w.newest.last = now
    w.newest.count = w.newest.count + units
  else
    w.tail = w.tail + 1
    w.newest = { first = now, last = now, count = units }
  end
  redis.call('HSET', key, 'h', text(w.head), 't', text(w.tail), 'n', text(w.used), 'w', text(w.length), 'v', text(w.version),
    'b', text(w.born), text(w.tail), line(w.newest))
  redis.call('PEXPIRE', key, text(w.length + 1000))
end

function Window.remaining(w, c) return math.max(0, c.quota - w.used) end

function Window.reset(w, c) return w.newest and w.used > 0 and w.newest.last + w.length - now or 0 end

local Meter = {}

local function drained(elapsed, c)
  local rest = elapsed % c.windowMs
  local high = rest * math.floor(c.quota / 32768)
  local low = (high % c.windowMs) * 32768 + rest * (c.quota % 32768)
  local units = math.floor(elapsed / c.windowMs) * c.quota + math.floor(high / c.windowMs) * 32768 + math.floor(low / c.windowMs)
  return units * UNIT + math.floor((low % c.windowMs) * UNIT / c.windowMs)
end

local function drain_ms(amount, c)
  if amount <= 0 then return 0 end
  if c.quota <= 0 then return ${MOST_MS} end
  local units = math.floor(amount / UNIT)
  local high = math.floor(units / 32768) * c.windowMs
  local low = (high % c.quota) * 32768 + (units % 32768) * c.windowMs + math.ceil((amount % UNIT) * c.windowMs / UNIT)
  return math.min(${MOST_MS}, math.floor(high / c.quota) * 32768 + math.ceil(low / c.quota))
end

local function level_at(m, c) return math.max(0, m.level - drained(math.max(0, now - m.at), c)) end

function Meter.load(key)
  local found = redis.call('HMGET', key, 'level', 'at', 'v', 'b')
  if not found[1] then return { level = 0, at = 0, pending = 0, version = 0, born = now } end
  local m = { level = tonumber(found[1]), at = tonumber(found[2]), pending = 0, version = tonumber(found[3] or '0'), born = tonumber(found[4] or '0') }
  if now < m.at then
    m.at = now
    redis.call('HSET', key, 'at', text(now))
  end
  return m
end

function Meter.refund() end

function Meter.wait(_, m, c, cost)
  if level_at(m, c) + cost * UNIT <= c.burst * UNIT then return 0 end
  if cost > c.burst or c.quota <= 0 then return -1 end
  return math.max(1, m.at + drain_ms(m.level + cost * UNIT - c.burst * UNIT, c) - now)
end

function Meter.admit(key, m, c, units)
  m.level = math.min(${MOST_LEVEL}, level_at(m, c) + units * UNIT)
  -- what nodes tell of a meter is at least their part, and all of it is at most the burst
  if c.want < 0 then m.level = math.min(m.level, c.burst * UNIT) end
  m.at = now
  m.version = m.version + 1
  redis.call('HSET', key, 'level', text(m.level), 'at', text(now), 'v', text(m.version), 'b', text(m.born))
  redis.call('PEXPIRE', key, text(drain_ms(m.level, c) + 1000))
end

function Meter.remaining(m, c) return math.max(0, math.floor((c.burst * UNIT - level_at(m, c)) / UNIT)) end

function Meter.reset(m, c) return level_at(m, c) == 0 and 0 or math.max(1, m.at + drain_ms(m.level, c) - now) end

local charges, states, retry, allowed = {}, {}, 0, 1
local keys = { unpack(KEYS, 1, #KEYS - 1) }
for i, key in ipairs(keys) do
  local at = 6 + (i - 1) * ${FIELDS}
  local gcra = ARGV[at + 1] == 'g'
  local c = { rule = gcra and Meter or Window, gcra = gcra }
  for offset, name in ipairs({ 'strict', 'windowMs', 'quota', 'burst', 'cost', 'want', 'number', 'first', 'units' }) do c[name] = tonumber(ARGV[at + 1 + offset]) end
  charges[i] = c
  local most = gcra and c.burst or c.quota
  local closed = c.strict == 1 and reserve(c) or 0
  local state = states[key] or c.rule.load(key, c)
  states[key] = state
  if c.units > 0 then c.rule.refund(key, state, c.number, c.first, c.units) end
  state.pending = state.pending + c.cost
  local ms = c.want < 0 and 0 or c.rule.wait(key, state, c, state.pending)
  -- what is kept for absent nodes is not kept for ever
  if ms < 0 and state.pending <= most then ms = 1000 end
  if closed > 0 and ms >= 0 then ms = math.max(ms, closed) end
  if ms ~= 0 then
    allowed = 0
    if ms < 0 or retry < 0 then retry = -1 elseif ms > retry then retry = ms end
  end
end

if allowed == 1 and not dry then
  for i, key in ipairs(keys) do
    local c, state = charges[i], states[key]
    local left = c.rule.remaining(state, c) - state.pending
    c.extra = math.max(0, math.min(c.want, math.floor(left / (2 * nodes))))
    state.pending = state.pending - c.cost
    if c.cost + c.extra > 0 then c.rule.admit(key, state, c, c.cost + c.extra) end
  end
end

local answer = { allowed, retry }
for i, key in ipairs(keys) do
  local c, state = charges[i], states[key]
  answer[#answer + 1] = c.rule.remaining(state, c)
  answer[#answer + 1] = c.rule.reset(state, c)
  answer[#answer + 1] = c.extra or 0
  answer[#answer + 1] = state.tail or 0
  answer[#answer + 1] = state.newest and state.newest.first or 0
  answer[#answer + 1] = state.born
  answer[#answer + 1] = state.version
end
return answer
`

// Who shares the limits, as Redis knows it: one hash with the id of what Redis remembers (`id`), the server that holds it (`run`), since
// when (`born`), a number that grows with each look (`seq`), and for each node that has told all it let through since then, until
// when it has promised not to decide alone (`n:NODE`). A node that is not heard of may be deciding alone: its share is kept for it.
import { MOST_MS } from '../limit-bounds.js'

/** A promise not to decide alone holds this long. Every node renews its own each second. */
export const PROMISE_MS = 3_000

/** All nodes know of a new one, or of one that is gone, after this long: see nodes/node-registry.ts. */
export const NODES_KNOWN_MS = 20_000

/**
 * KEYS: the hash. ARGV: now in ms, or '' for the server's own clock; an id for a new memory; the id of one that is to be given up, or ''; the
 * node; the id of the memory that this node has told everything, or ''; until when it promises. Answers id, seq, now and 1 if
 * it could tell the server.
 */
export const HELLO_SCRIPT = `
local key = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or 'unknown'
local found = redis.call('HMGET', key, 'id', 'run')
local id = found[1]
-- another server, or the same one started anew: it may have lost the last of what it counted
if not id or found[2] ~= run or id == ARGV[3] then
  id = ARGV[2]
  redis.call('DEL', key)
  redis.call('HSET', key, 'id', id, 'run', run, 'born', string.format('%.0f', now))
end
if ARGV[5] == id then
  local mine = 'n:' .. ARGV[4]
  local before = tonumber(redis.call('HGET', key, mine) or '0')
  redis.call('HSET', key, mine, string.format('%.0f', math.max(before, tonumber(ARGV[6]))))
end
-- what most questions need: how many have been heard of lately, and until when all of them promise
local fields = redis.call('HGETALL', key)
local lately, first = 0, 0
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == 'n:' then
    local till = tonumber(fields[i + 1])
    if till < now - 3600000 then redis.call('HDEL', key, fields[i]) end
    if till > now - ${NODES_KNOWN_MS} then
      first = lately == 0 and till or math.min(first, till)
      lately = lately + 1
    end
  end
end
redis.call('HSET', key, 'lately', lately, 'first', string.format('%.0f', first), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', key, 86400000)
return { id, redis.call('HINCRBY', key, 'seq', 1), now, run == 'unknown' and 0 or 1 }
`

/**
 * Part of TAKE_SCRIPT, with `now` and `nodes` set and the hash as the last key. ARGV[4]: the id and ARGV[5] the seq of the memory that the asking node
 * knows, ARGV[6] the node; '' for no check. Sets how many others may be deciding alone (absent), and reserve(c), which leaves their shares out of a charge.
 */
export const PRESENCE = `
local absent, unreported, born = 0, false, 0

local function count_nodes()
  local fields = redis.call('HGETALL', KEYS[#KEYS])
  local mine = 'n:' .. ARGV[6]
  local reported, present, lately = 0, 0, 1
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'born' then
      born = tonumber(fields[i + 1])
    elseif string.sub(name, 1, 2) == 'n:' and name ~= mine then
      local till = tonumber(fields[i + 1])
      reported = reported + 1
      -- a promise too far ahead is of a clock that has gone back
      if till > now and till <= now + ${NODES_KNOWN_MS + PROMISE_MS} then present = present + 1 end
      if till > now - ${NODES_KNOWN_MS} then lately = lately + 1 end
    end
  end
  nodes = math.max(nodes, lately)
  absent = math.max(0, nodes - 1 - present)
  unreported = reported < nodes - 1
end

if ARGV[4] ~= '' then
  local memory = redis.call('HMGET', KEYS[#KEYS], 'id', 'seq', 'lately', 'first', 'at')
  if memory[1] ~= ARGV[4] or tonumber(memory[2]) < tonumber(ARGV[5]) then return { -1 } end
  local lately = tonumber(memory[3])
  if lately >= nodes and tonumber(memory[4]) > now and tonumber(memory[5]) <= now then nodes = lately else count_nodes() end
end

-- ms for which nothing may be admitted: not all have told yet what they let through before this memory began
local function reserve(c)
  if absent == 0 then return 0 end
  local horizon = (c.gcra and math.min(${MOST_MS}, math.ceil(c.windowMs * c.burst / math.max(1, c.quota))) or c.windowMs) + 500
  if unreported and now < born + horizon then return math.min(1000, born + horizon - now) end
  c.quota = c.quota - absent * math.floor(c.quota / nodes)
  c.burst = c.burst - absent * math.floor(c.burst / nodes)
  return 0
end
`

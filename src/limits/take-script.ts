// limits/window.ts in Lua, so that Redis decides and charges in one step. A counter is one hash: h and t are the numbers of
// its oldest and newest bucket, n what is counted, and each bucket a field "first last count". A contract test holds the
// two to identical answers. Works on Redis 5 and newer.

/**
 * KEYS: one for each charge. ARGV[1]: now in ms, or '' for the server's own clock; then windowMs, quota, cost for each charge.
 * Answers allowed (1 or 0), retryAfterMs (-1 for never), then remaining and resetMs for each charge.
 */
export const TAKE_SCRIPT = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function bucket(key, number)
  local first, last, count = string.match(redis.call('HGET', key, string.format('%d', number)), '^(%d+) (%d+) (%d+)$')
  return { first = tonumber(first), last = tonumber(last), count = tonumber(count) }
end

local function text(value) return string.format('%.0f', value) end

local function line(b) return text(b.first) .. ' ' .. text(b.last) .. ' ' .. text(b.count) end

local function settled(key, windowMs)
  local found = redis.call('HMGET', key, 'h', 't', 'n')
  if not found[1] then return { head = 1, tail = 0, used = 0, pending = 0 } end
  local w = { head = tonumber(found[1]), tail = tonumber(found[2]), used = tonumber(found[3]), pending = 0 }
  w.newest = bucket(key, w.tail)
  if now < w.newest.last then
    redis.call('DEL', key)
    w.head, w.tail, w.newest = 1, 1, { first = now, last = now, count = w.used }
    redis.call('HSET', key, 'h', '1', 't', '1', 'n', text(w.used), '1', line(w.newest))
    redis.call('PEXPIRE', key, text(windowMs + 1000))
    return w
  end
  if w.newest.last + windowMs <= now then
    redis.call('DEL', key)
    return { head = 1, tail = 0, used = 0, pending = 0 }
  end
  local head = w.head
  while true do
    local oldest = bucket(key, w.head)
    if oldest.last + windowMs > now then break end
    w.used = w.used - oldest.count
    redis.call('HDEL', key, string.format('%d', w.head))
    w.head = w.head + 1
  end
  if w.head > head then redis.call('HSET', key, 'h', text(w.head), 'n', text(w.used)) end
  return w
end

local function wait(key, w, windowMs, quota, cost)
  if cost > quota then return -1 end
  local excess = w.used + cost - quota
  for number = w.head, w.tail do
    local b = bucket(key, number)
    excess = excess - b.count
    if excess <= 0 then return b.last + windowMs - now end
  end
  return -1
end

local windows, retry, allowed = {}, 0, 1
for i, key in ipairs(KEYS) do
  local windowMs, quota, cost = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
  local w = windows[key] or settled(key, windowMs)
  windows[key] = w
  w.pending = w.pending + cost
  if w.used + w.pending > quota then
    allowed = 0
    local ms = wait(key, w, windowMs, quota, w.pending)
    if ms < 0 or retry < 0 then retry = -1 elseif ms > retry then retry = ms end
  end
end

if allowed == 1 then
  for i, key in ipairs(KEYS) do
    local windowMs, cost = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3 + 1])
    if cost > 0 then
      local w = windows[key]
      w.used = w.used + cost
      if w.newest and now < w.newest.first + math.ceil(windowMs / 59) then
        w.newest.last = now
        w.newest.count = w.newest.count + cost
      else
        w.tail = w.tail + 1
        w.newest = { first = now, last = now, count = cost }
      end
      redis.call('HSET', key, 'h', text(w.head), 't', text(w.tail), 'n', text(w.used), string.format('%d', w.tail), line(w.newest))
      redis.call('PEXPIRE', key, text(windowMs + 1000))
    end
  end
end

local answer = { allowed, retry }
for i, key in ipairs(KEYS) do
  local w = windows[key]
  answer[#answer + 1] = math.max(0, tonumber(ARGV[i * 3]) - w.used)
  answer[#answer + 1] = w.newest and w.newest.last + tonumber(ARGV[i * 3 - 1]) - now or 0
end
return answer
`

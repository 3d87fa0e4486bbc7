-- Asks Gatehouse about every request: http-request lua.gatehouse. Let through, the request gets the identity headers; denied,
-- the client gets Gatehouse's answer; when there is no answer, 503. Needs HAProxy 2.6 or newer built with Lua.
local gatehouse = assert(os.getenv("GATEHOUSE_GATE"), "setenv GATEHOUSE_GATE in the global section")

local TOLD = { "authorization", "x-api-key", "cookie", "origin", "sec-fetch-site", "sec-websocket-key", "sec-websocket-version" }
local IDENTITY = { "x-auth-subject", "x-auth-type", "x-auth-key-id", "x-auth-organization", "x-auth-permissions", "x-auth-actor" }
local ANSWERED = { "content-type", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy", "cache-control" }

-- the values of a header as HAProxy keeps them (from 0), as a list (from 1)
local function list(headers, name)
  local found = {}
  local values = headers[name]
  if values then
    for at = 0, #values do
      if values[at] ~= nil then found[#found + 1] = values[at] end
    end
  end
  return found
end

local function refuse(txn, status, headers, body)
  txn:done(txn:reply({ status = status, headers = headers, body = body }))
end

core.register_action("gatehouse", { "http-req" }, function(txn)
  local given = txn.http:req_get_headers()
  local hosts = list(given, "host")
  local asked = {
    ["x-original-method"] = { txn.f:method() },
    ["x-original-uri"] = { txn.f:url() },
    ["x-original-host"] = { #hosts == 1 and hosts[1] or "" },
    ["x-original-proto"] = { txn.sf:ssl_fc() == "1" and "https" or "http" },
    ["x-original-address"] = { txn.f:src() },
    ["x-original-upgrade"] = { list(given, "upgrade")[1] or "" },
  }
  for _, name in ipairs(TOLD) do
    local values = list(given, name)
    if #values > 0 then asked[name] = values end
  end

  local answer = core.httpclient():get({ url = gatehouse, headers = asked, timeout = 2000 })
  if answer == nil or answer.status == nil or answer.status == 0 then
    return refuse(txn, 503, { ["retry-after"] = { "1" } }, "")
  end

  local headers = answer.headers or {}
  if answer.status ~= 200 then
    local passed = {}
    for _, name in ipairs(ANSWERED) do
      local values = list(headers, name)
      if #values > 0 then passed[name] = values end
    end
    return refuse(txn, answer.status, passed, answer.body or "")
  end

  for _, name in ipairs(IDENTITY) do
    local value = list(headers, name)[1]
    -- something else than Gatehouse has answered
    if value == nil then return refuse(txn, 503, {}, "") end
    txn.http:req_set_header(name, value)
  end
  for _, name in ipairs({ "ratelimit", "ratelimit-policy" }) do
    local value = list(headers, name)[1]
    if value then txn:set_var("txn." .. name:gsub("-", "_"), value) end
  end
  -- a script that fails does not stop the request: haproxy.cfg lets through what has come to this line, and nothing else
  txn:set_var("txn.gate", "passed")
end)

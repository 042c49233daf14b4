-- join: register a worker, so that it may pull and somebody answers for what it holds.
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2..8] sources stream  the domain's streams in pull order
-- ARGV[1] worker     str
-- ARGV[2] ttl        int     ms
-- ARGV[3] now        int     ms, 0 for the server's clock
-- Returns {"joined", expires}
-- Cost    O(sources + log workers)
-- Flags   allow-oom

-- @include clock
-- @include group
-- @include sound

local workers = KEYS[1]
local sources = { unpack(KEYS, 2, 8) }
local worker, ttl, now = ARGV[1], tonumber(ARGV[2]), clock(ARGV[3])

sound('ZCARD', { workers })
sound('XLEN', sources)
local refused = found(sources)
if refused then
  return refused
end
redis.call('ZADD', workers, now + ttl, worker)
return { 'joined', now + ttl }

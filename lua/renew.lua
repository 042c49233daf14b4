-- renew: keep the leases of workers while their supervisor sees them alive.
--
-- KEYS[1] workers    zset  worker ids by lease expiry (ms)
-- ARGV[1] ttl        int   ms
-- ARGV[2] now        int   ms, 0 for the server's clock
-- ARGV[3..] mine     worker str
-- Returns {"renewed", expires, lost...}
-- Cost    O(mine · log workers)
-- Flags   allow-oom

-- @include clock

local workers = KEYS[1]
local ttl, now = tonumber(ARGV[1]), clock(ARGV[2])

local reply = { 'renewed', now + ttl }
for i = 3, #ARGV do
  if redis.call('ZSCORE', workers, ARGV[i]) then
    redis.call('ZADD', workers, now + ttl, ARGV[i])
  else
    reply[#reply + 1] = ARGV[i]
  end
end
return reply

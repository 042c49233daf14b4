-- lapsed: name the workers whose lease is over, so that somebody recovers what they held.
--
-- KEYS[1] workers  zset  worker ids by lease expiry (ms)
-- ARGV[1] now      int   ms, 0 for the server's clock
-- ARGV[2] limit    int   workers at most
-- Returns {"lapsed", workers...}
-- Cost    O(log workers + limit)
-- Flags   no-writes

-- @include clock

local workers = KEYS[1]
local now, limit = clock(ARGV[1]), ARGV[2]

return { 'lapsed', unpack(redis.call('ZRANGEBYSCORE', workers, '-inf', now, 'LIMIT', 0, limit)) }

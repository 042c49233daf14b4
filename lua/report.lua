-- report: a supervisor says what it has, and is told what all pools should have.
--
-- KEYS[1] supervisors zset  supervisors by lease expiry (ms)
-- KEYS[2] reports     hash  what each supervisor said last
-- KEYS[3] targets     hash  what each pool should have, by domain
-- ARGV[1] me          str   the supervisor's id
-- ARGV[2] ttl         int   ms that the report is believed
-- ARGV[3] report      bytes
-- ARGV[4] limit       int   expired supervisors to forget at most
-- ARGV[5] now         int   ms, 0 for the server's clock
-- Returns {"targets", now, targets}
-- Cost    O(log supervisors + limit + targets)
-- Flags   allow-oom

-- @include clock
-- @include sound

local supervisors, reports, targets = KEYS[1], KEYS[2], KEYS[3]
local me, ttl, report, limit, now = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], clock(ARGV[5])

local wanted = redis.call('HGETALL', targets)
sound('HLEN', { reports })
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', supervisors, '-inf', now, 'LIMIT', 0, limit)) do
  redis.call('ZREM', supervisors, gone)
  redis.call('HDEL', reports, gone)
end
redis.call('ZADD', supervisors, now + ttl, me)
redis.call('HSET', reports, me, report)
return { 'targets', now, wanted }

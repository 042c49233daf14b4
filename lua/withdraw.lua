-- withdraw: a supervisor signs off, and the leader is told to look.
--
-- KEYS[1] supervisors zset  supervisors by lease expiry (ms)
-- KEYS[2] reports     hash  what each supervisor said last
-- KEYS[3] attention   list  wakes the leader
-- ARGV[1] me          str   the supervisor's id
-- Returns {"withdrawn"}
-- Cost    O(log supervisors)
-- Flags   allow-oom

-- @include ring
-- @include sound

local supervisors, reports, attention = KEYS[1], KEYS[2], KEYS[3]
local me = ARGV[1]

sound('HLEN', { reports })
local quiet = silent(attention)
redis.call('ZREM', supervisors, me)
redis.call('HDEL', reports, me)
if quiet then
  strike(attention)
end
return { 'withdrawn' }

-- fleet: who serves, what each said last, what people ordered, what was decided, and who leads.
--
-- KEYS[1] supervisors zset  supervisors by lease expiry (ms)
-- KEYS[2] reports     hash  what each supervisor said last
-- KEYS[3] orders      hash  what people want of a pool, by domain
-- KEYS[4] targets     hash  what each pool should have, by domain
-- KEYS[5] leader      hash  who leads: id, term, until when (ms)
-- ARGV[1] now         int   ms, 0 for the server's clock
-- ARGV[2] limit       int   supervisors at most
-- Returns {"fleet", now, living, reports, orders, targets, leader}
-- Cost    O(limit + pools)
-- Flags   no-writes

-- @include clock

local supervisors, reports, orders, targets, leader = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, limit = clock(ARGV[1]), ARGV[2]

local living = redis.call('ZRANGEBYSCORE', supervisors, '(' .. now, '+inf', 'LIMIT', 0, limit)
local said = {}
for place, name in ipairs(living) do
  said[place] = redis.call('HGET', reports, name) or ''
end
return {
  'fleet',
  now,
  living,
  said,
  redis.call('HGETALL', orders),
  redis.call('HGETALL', targets),
  redis.call('HMGET', leader, 'id', 'term', 'expires'),
}

-- order: somebody says what a pool should have, or leaves it to the leader again, who is woken.
--
-- KEYS[1] orders    hash  what people want of a pool, by domain
-- KEYS[2] attention list  wakes the leader
-- ARGV[1] domain    str   of the pool
-- ARGV[2] order     bytes what is wanted, "" for what the leader finds right
-- Returns {"ordered", before}
-- Cost    O(1)

-- @include ring

local orders, attention = KEYS[1], KEYS[2]
local domain, order = ARGV[1], ARGV[2]

local before = redis.call('HGET', orders, domain) or ''
local quiet = silent(attention)
if order == '' then
  redis.call('HDEL', orders, domain)
else
  redis.call('HSET', orders, domain, order)
end
if quiet then
  strike(attention)
end
return { 'ordered', before }

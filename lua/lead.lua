-- lead: become the leader, or stay it. Whoever is leader after somebody else begins a new term, and what is
-- written in the name of an older term is refused.
--
-- KEYS[1] leader  hash  who leads: id, term, until when (ms)
-- ARGV[1] me      str   the candidate's id
-- ARGV[2] ttl     int   ms that the leadership lasts
-- ARGV[3] now     int   ms, 0 for the server's clock
-- Returns {"leader", term, expires} | {"follower", term, expires, leader}
-- Cost    O(1)
-- Flags   allow-oom

-- @include clock

local leader = KEYS[1]
local me, ttl, now = ARGV[1], tonumber(ARGV[2]), clock(ARGV[3])

local held = redis.call('HMGET', leader, 'id', 'term', 'expires')
local id, term, expires = held[1], tonumber(held[2] or 0), tonumber(held[3] or 0)
if id and id ~= me and expires > now then
  return { 'follower', term, expires, id }
end
if id ~= me or expires <= now then
  term = term + 1
end
redis.call('HSET', leader, 'id', me, 'term', term, 'expires', now + ttl)
return { 'leader', term, now + ttl }

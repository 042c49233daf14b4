-- resign: leave the leadership to whoever comes next, at once, and wake one who waits for it.
--
-- KEYS[1] leader   hash  who leads: id, term, until when (ms)
-- KEYS[2] election list  wakes one candidate
-- ARGV[1] me       str   the leader's id
-- ARGV[2] term     int   its term
-- Returns {"resigned"} | {"deposed"}
-- Cost    O(1)
-- Flags   allow-oom

-- @include ring
-- @include leading

local leader, election = KEYS[1], KEYS[2]
local me, term = ARGV[1], ARGV[2]

if not leading(leader, me, term) then
  return { 'deposed' }
end
local quiet = silent(election)
redis.call('HSET', leader, 'expires', 0)
if quiet then
  strike(election)
end
return { 'resigned' }

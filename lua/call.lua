-- call: wake supervisors, so that they tell their workers to look at what changed.
--
-- KEYS[1] calls  prefix bells of supervisors by id
-- ARGV[1] ttl    int    ms that a bell outlives a supervisor that never comes
-- ARGV[2..] called supervisor str
-- Returns {"called"}
-- Cost    O(called)

-- @include ring

local calls = KEYS[1]
local ttl = ARGV[1]

for i = 2, #ARGV do
  ring(calls .. ARGV[i])
  redis.call('PEXPIRE', calls .. ARGV[i], ttl)
end
return { 'called' }

-- target: the leader says what a pool should have, and why; the supervisors that must act are woken.
-- Of a decision that changes nothing only the target is kept fresh: `decision` is empty.
--
-- KEYS[1] leader    hash  who leads: id, term, until when (ms)
-- KEYS[2] targets   hash  what each pool should have, by domain
-- KEYS[3] explained list  the last decisions about the pool, newest first
-- KEYS[4] calls     prefix bells of supervisors by id
-- ARGV[1] me        str   the leader's id
-- ARGV[2] term      int   its term
-- ARGV[3] domain    str   of the pool
-- ARGV[4] target    bytes
-- ARGV[5] decision  bytes what was decided and why, "" for nothing new
-- ARGV[6] keep      int   decisions that are kept
-- ARGV[7] ttl       int   ms that a bell outlives a supervisor that never comes
-- ARGV[8..] called  supervisor str
-- Returns {"set"} | {"deposed"}
-- Cost    O(called + keep)
-- Flags   allow-oom

-- @include leading
-- @include ring
-- @include sound

local leader, targets, explained, calls = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local me, term, domain, target = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local decision, keep, ttl = ARGV[5], tonumber(ARGV[6]), ARGV[7]

if not leading(leader, me, term) then
  return { 'deposed' }
end
sound('HLEN', { targets })
sound('LLEN', { explained })
for i = 8, #ARGV do
  sound('LLEN', { calls .. ARGV[i] })
end
redis.call('HSET', targets, domain, target)
if decision ~= '' then
  redis.call('LPUSH', explained, decision)
  redis.call('LTRIM', explained, 0, keep - 1)
end
for i = 8, #ARGV do
  ring(calls .. ARGV[i])
  redis.call('PEXPIRE', calls .. ARGV[i], ttl)
end
return { 'set' }

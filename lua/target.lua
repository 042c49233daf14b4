-- target: the leader says what a pool should have, and why; the supervisors that must act are woken.
-- Of a decision that changes nothing only the target is kept fresh: `decision` is empty.
--
-- KEYS[1] leader    hash  who leads: id, term, until when (ms)
-- KEYS[2] targets   hash  what each pool should have, by domain
-- KEYS[3] explained list  the last decisions about the pool, newest first
-- KEYS[4] surges    list  the pool's surges that ended, newest first
-- KEYS[5] calls     prefix bells of supervisors by id
-- ARGV[1] me        str   the leader's id
-- ARGV[2] term      int   its term
-- ARGV[3] domain    str   of the pool
-- ARGV[4] target    bytes
-- ARGV[5] decision  bytes what was decided and why, "" for nothing new
-- ARGV[6] surge     bytes the surge that ended now, "" for none
-- ARGV[7] keep      int   decisions, and surges, that are kept
-- ARGV[8] ttl       int   ms that a bell outlives a supervisor that never comes
-- ARGV[9..] called  supervisor str
-- Returns {"set"} | {"deposed"}
-- Cost    O(called + keep)
-- Flags   allow-oom

-- @include leading
-- @include ring
-- @include sound

local leader, targets, explained, surges, calls = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local me, term, domain, target = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local decision, surge, keep, ttl = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]

local function note(list, what)
  if what ~= '' then
    redis.call('LPUSH', list, what)
    redis.call('LTRIM', list, 0, keep - 1)
  end
end

if not leading(leader, me, term) then
  return { 'deposed' }
end
sound('HLEN', { targets })
sound('LLEN', { explained, surges })
for i = 9, #ARGV do
  sound('LLEN', { calls .. ARGV[i] })
end
redis.call('HSET', targets, domain, target)
note(explained, decision)
note(surges, surge)
for i = 9, #ARGV do
  ring(calls .. ARGV[i])
  redis.call('PEXPIRE', calls .. ARGV[i], ttl)
end
return { 'set' }

-- admit(rule, total, rest, jobs, first, later, keys, time, partial, waits): what becomes of jobs in a bounded domain:
-- the reply, whose second value is false where the moment belongs and nobody knows it yet; and what is true at the
-- indexes of those that are refused, if there are any. `keys` names the domain's, `time` tells it, `waits` is for how
-- long (ms) this caller will wait if it is refused.

-- @include calm
-- @include judge
-- @include pace
-- @include ring
-- @include sound

local function admit(rule, total, rest, jobs, first, later, keys, time, partial, waits)
  local load = waits == 0 and calmly(rule, total, rest, jobs, first, later, keys, time)
  if load then
    return { 'admitted', false, load, rule, '-1' }, nil
  end
  sound('LLEN', { keys.room })
  local verdict, rate, now = judge(rule, total, rest, jobs, first, later), '-1', time()
  if verdict.reason and not partial then
    refuse_all(verdict, total, jobs, first)
  end
  for name, times in pairs(verdict.counted) do
    redis.call('HINCRBY', keys.stats, name, times)
  end
  if verdict.pressed then
    rate = pace(keys.limits, keys.stats, now)
  end
  if waits > 0 and verdict.reason then
    redis.call('HSET', keys.limits, 'waiting', string.format('%d', now + waits))
  elseif waits > 0 then
    ring(keys.room) -- perhaps there is room for the next one, too
  end
  local reply = { 'admitted', now, verdict.total, rule, rate, unpack(verdict.refused) }
  if verdict.whole then
    reply = { 'refused', verdict.reason, total, rule, rate }
  end
  return reply, verdict.out
end

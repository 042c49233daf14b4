-- accept(keys, ready, rule, jobs, first, now, partial, waits): the reply to jobs of any number and for any time, as the
-- session keeps it, and as it is sent. `keys` names the domain's, `ready` its streams by letter, `rule` what bounds it.
-- weighed(keys, ready, time): the load, and that of normal and low.

-- @include admit
-- @include aim
-- @include gauge
-- @include ring
-- @include sound
-- @include timed

local function weighed(keys, ready, time)
  local high, normal, low = ready.h, ready.n, ready.l
  local back_high, back_normal, back_low = keys.back_high, keys.back_normal, keys.back_low
  return load_of(high, normal, low, back_high, back_normal, back_low, keys.suspects, keys.leases, keys.stats, time)
end

local function accept(keys, ready, rule, jobs, first, now, partial, waits)
  local into, later, streams, moment = aimed(jobs, first, ready, now)
  local ringing, delayed = next(streams) and silent(keys.bell), next(later)
  local waking = delayed and silent(keys.wake)
  if delayed then
    sound('ZCARD', { keys.scheduled })
  end
  local answer, out
  if rule then
    local function time()
      moment = moment or clock(now)
      return moment
    end
    local total, rest = weighed(keys, ready, time)
    local timed = is_timed(rule)
    local bounds = timed and bounds_now(rule, keys.limits, keys.stats, ready, time()) or rule
    answer, out = admit(bounds, total, rest, jobs, first, later, keys, time, partial, waits)
    if timed then
      redis.call('HDEL', keys.limits, 'slack') -- the next call may meet other limits
    end
  else
    sound('XLEN', streams)
    redis.call('HINCRBY', keys.stats, 'enqueued', (#jobs - first + 1) / 2) -- fails by itself on a foreign type
  end
  local entry = entered(jobs, first, into, later, keys.scheduled, out, ringing and keys.bell, waking and keys.wake)
  moment = moment or tonumber(string.match(entry, '^%d+'))
  if answer then
    answer[2] = answer[2] or moment
    return table.concat(answer, ' '), answer
  end
  return string.format('%d', moment), { 'accepted', moment }
end

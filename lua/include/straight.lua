-- straight(stream, bell, stats, counter, upto, now, job): queue one job for now, counted by `counter`; the moment as
-- text, and the count. Nothing happens when the count would pass `upto`, where there is such a bound.

-- @include ring
-- @include slack

local function straight(stream, bell, stats, counter, upto, now, job)
  local ringing = silent(bell)
  redis.call('XLEN', stream) -- fails on a foreign type while nothing has been written
  local count = redis.call('HINCRBY', stats, counter, 1) -- so does this
  if upto and (count > upto or count <= upto - MOST_SLACK) then
    redis.call('HINCRBY', stats, counter, -1)
    return nil
  end
  local id = redis.call('XADD', stream, '*', 'j', job)
  if ringing then
    strike(bell)
  end
  return now == '0' and string.match(id, '^%d+') or now, count
end

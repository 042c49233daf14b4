-- ring(bell): wake one idle waiter of a bell, unless it was rung already and nobody has come yet.
-- silent(bell), strike(bell): its two halves, for scripts that look before their first write and ring after it.
-- strike_if(quiet, bell): the second half, for those that do so in several places.

local function silent(bell)
  return redis.call('LLEN', bell) == 0
end

local function strike(bell)
  redis.call('RPUSH', bell, '1')
end

local function strike_if(quiet, bell)
  if quiet then
    strike(bell)
  end
end

local function ring(bell)
  if silent(bell) then
    strike(bell)
  end
end

-- ring(bell): wake one idle waiter of a bell, unless it was rung already and nobody has come yet.
-- silent(bell), strike(bell): its two halves, for scripts that look before their first write and ring after it.

local function silent(bell)
  return redis.call('LLEN', bell) == 0
end

local function strike(bell)
  redis.call('RPUSH', bell, '1')
end

local function ring(bell)
  if silent(bell) then
    strike(bell)
  end
end

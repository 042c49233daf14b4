-- ring(bell): wake one idle waiter of a bell, unless it was rung already and nobody has come yet.

local function ring(bell)
  if redis.call('LLEN', bell) == 0 then
    redis.call('RPUSH', bell, '1')
  end
end

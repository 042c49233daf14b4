-- clock(given): milliseconds since the epoch, `given` unless it is 0, else the server's clock.
-- Called once per script: TIME moves on inside a script on some servers and stands still on others.

local function clock(given)
  local ms = tonumber(given)
  if ms > 0 then
    return ms
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

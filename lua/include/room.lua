-- wants_room(limits, room, now): whether a caller waits for room and is to be woken, by ringing `room`; it wakes the
-- next one when it gets in. To be asked before the first write.
-- make_room(wanted, room): ring it, if it is wanted.

-- @include ring

local function wants_room(limits, room, now)
  local waiting = redis.call('HGET', limits, 'waiting')
  return waiting and tonumber(waiting) >= now and redis.call('LLEN', room) == 0
end

local function make_room(wanted, room)
  if wanted then
    strike(room)
  end
end

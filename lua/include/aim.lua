-- aimed(jobs, first, ready, now): where jobs go, `jobs` being places and blobs in turn from `first` on: the stream of
-- each of those for now by its index, the due moment and letter of each of the others, all streams that are touched,
-- and the time, if anybody had to know it.
-- Most calls are for now: those never look at the clock, their entries' ids tell the time.
-- entered(jobs, first, into, later, scheduled, out, bell, wake): put them there, but for those at whose indexes `out`
-- is true, and strike the bells that are given; the first entry's id.

-- @include clock
-- @include place
-- @include ring

local function aimed(jobs, first, ready, now)
  local into, later, streams, moment = {}, {}, {}, now ~= '0' and tonumber(now) or nil
  for i = first, #jobs, 2 do
    local letter, due = jobs[i], nil
    if not ready[letter] then
      moment = moment or clock(now)
      letter, due = place(letter, moment)
    end
    if due then
      later[i] = { due, letter }
    else
      into[i], streams[letter] = ready[letter], ready[letter]
    end
  end
  return into, later, streams, moment
end

local function entered(jobs, first, into, later, scheduled, out, bell, wake)
  local entry, delayed
  for i = first, #jobs, 2 do
    if not (out and out[i]) then
      if into[i] then
        local id = redis.call('XADD', into[i], '*', 'j', jobs[i + 1])
        entry = entry or id
      else
        redis.call('ZADD', scheduled, later[i][1], later[i][2] .. jobs[i + 1])
        delayed = true
      end
    end
  end
  if bell and entry then
    strike(bell)
  end
  if wake and delayed then
    strike(wake)
  end
  return entry
end

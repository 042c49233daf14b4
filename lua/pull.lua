-- pull: take the next jobs of a domain, higher priorities first, and remember who holds them.
-- A suspect (a job whose worker died while running it) is only given to a worker that is alone with it;
-- the others are told that one waits, by an empty list of source 1. Jobs that were cancelled while somebody held
-- them come with a field m: they are to be ended, not run. Of a paused priority nothing is taken; who pulls is told.
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2] bell       list    wakes one idle worker
-- KEYS[3] limits     hash    what bounds the domain, and its paused priorities
-- KEYS[4] cancels    zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[5] suspects   stream  jobs that were running when their worker died
-- KEYS[6..11] sources stream the other streams in pull order
-- ARGV[1] worker     str
-- ARGV[2] count      int     jobs at most
-- ARGV[3] alone      flag    1 when the worker holds nothing
-- Returns {"jobs", entries...} | {"empty"} | {"paused", letters, entries...} | {"lost"}
-- Cost    O(count + sources)
-- Flags   allow-oom

-- @include group
-- @include marks
-- @include pausing
-- @include ring

local workers, bell, limits, cancels, suspects = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local sources = { unpack(KEYS, 6, 11) }
local worker, count, alone = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local LETTERS = { 'h', 'h', 'n', 'n', 'l', 'l' } -- by source

local quiet = silent(bell)
if not redis.call('ZSCORE', workers, worker) then
  return { 'lost' }
end

local function read(stream, most)
  local got = redis.pcall('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', most, 'STREAMS', stream, '>')
  if got and got.err and string.find(got.err, 'NOGROUP', 1, true) then
    got = found({ stream }) or redis.pcall('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', most, 'STREAMS', stream, '>')
  end
  if got and not got.err then
    tell_marks(cancels, got[1][2])
  end
  return got
end

local function wake_another()
  if quiet then
    strike(bell)
  end
end

local paused = redis.call('HGET', limits, 'paused')
local reply, left = paused and { 'paused', paused } or { 'jobs' }, count

local function add(source, entries)
  reply[#reply + 1], reply[#reply + 2] = source, entries
end

local function suspected()
  if paused and not turned(suspects, paused) then
    return nil
  elseif alone then
    return read(suspects, 1)
  elseif any_waits(suspects) then
    add(1, {})
  end
end

local got = suspected()
if got and got.err then
  return got
elseif got then
  wake_another() -- what else waits is for others
  add(1, got[1][2])
  return reply
end
for place, stream in ipairs(sources) do
  got = not is_among(paused, LETTERS[place]) and read(stream, left)
  if got and not got.err then
    add(place + 1, got[1][2])
    left = left - #got[1][2]
    if left <= 0 then
      wake_another()
      break
    end
  elseif got and left == count then
    return got
  end
end
return #reply > 1 and reply or { 'empty' }

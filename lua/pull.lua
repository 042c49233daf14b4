-- pull: take the next jobs of a domain, higher priorities first, and remember who holds them.
-- A suspect (a job whose worker died while running it) is only given to a worker that is alone with it;
-- the others are told that one waits, by an empty list of source 1. Jobs that were cancelled while somebody held
-- them come with a field m: they are to be ended, not run. Nothing is taken from paused queues, and no suspect while
-- one of the domain is.
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2] bell       list    wakes one idle worker
-- KEYS[3] cancels    zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[4] suspects   stream  jobs that were running when their worker died
-- KEYS[5] limits     hash    what bounds the domain, and which queues are paused
-- KEYS[6..11] sources stream the other streams in pull order
-- ARGV[1] worker     str
-- ARGV[2] count      int     jobs at most
-- ARGV[3] alone      flag    1 when the worker holds nothing
-- Returns {"jobs", entries...} | {"empty"} | {"lost"}
-- Cost    O(count + sources)
-- Flags   allow-oom

-- @include group
-- @include marks
-- @include ring

local workers, bell, cancels, suspects, limits = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local sources = { unpack(KEYS, 6, 11) }
local worker, count, alone = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'

local quiet = silent(bell)
if not redis.call('ZSCORE', workers, worker) then
  return { 'lost' }
end
local paused = redis.call('HGET', limits, 'paused') or ''

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

local function suspect()
  return alone and paused == '' and read(suspects, 1)
end

local function taken(place, stream, most)
  return not string.find(paused, string.sub('hhnnll', place, place), 1, true) and read(stream, most)
end

local function waits(stream)
  local length = paused == '' and redis.call('XLEN', stream) or 0
  local held = length > 0 and redis.pcall('XPENDING', stream, GROUP)
  return held and (held.err or length > held[1])
end

local reply, left = { 'jobs' }, count
local got = suspect()
if got and got.err then
  return got
elseif got then
  strike_if(quiet, bell) -- what else waits is for others
  return { 'jobs', 1, got[1][2] }
elseif not alone and waits(suspects) then
  reply = { 'jobs', 1, {} }
end
for place, stream in ipairs(sources) do
  got = taken(place, stream, left)
  if got and got.err then
    if left == count then
      return got
    end
  elseif got then
    reply[#reply + 1] = place + 1
    reply[#reply + 1] = got[1][2]
    left = left - #got[1][2]
    if left <= 0 then
      strike_if(quiet, bell)
      break
    end
  end
end
return #reply > 1 and reply or { 'empty' }

-- held: tell a worker what it holds, so that a pull whose reply was lost costs nothing. Marks are told as in pull.
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2] cancels    zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[3..9] sources stream  the domain's streams in pull order
-- ARGV[1] worker     str
-- ARGV[2] count      int     jobs of each source at most
-- Returns {"jobs", entries...} | {"lost"}
-- Cost    O(sources · count)
-- Flags   allow-oom

-- @include group
-- @include marks

local workers, cancels = KEYS[1], KEYS[2]
local sources = { unpack(KEYS, 3, 9) }
local worker, count = ARGV[1], ARGV[2]

if not redis.call('ZSCORE', workers, worker) then
  return { 'lost' }
end
local reply = { 'jobs' }
for place, stream in ipairs(sources) do
  local got = redis.pcall('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', count, 'STREAMS', stream, '0')
  if got and got.err then
    if not string.find(got.err, 'NOGROUP', 1, true) then
      return got
    end
  elseif got and #got[1][2] > 0 then
    tell_marks(cancels, got[1][2])
    reply[#reply + 1] = place
    reply[#reply + 1] = got[1][2]
  end
end
return reply

-- recover: take back what a dead worker held. What it was running is charged a delivery and becomes a
-- suspect; the rest returns uncharged. A job charged too often is dead-lettered. An attempt that outlived its
-- limit is marked, not charged: its task says what becomes of it, and the worker that pulls it next knows the task.
-- What is taken back is no longer pending, so the call may be repeated until it says "recovered".
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2] stats      hash    counters of the domain
-- KEYS[3] bell       list    wakes one idle worker
-- KEYS[4] dead       stream  dead letters
-- KEYS[5] results    prefix  results by job id
-- KEYS[6..12] sources stream the domain's streams in pull order
-- ARGV[1] worker     str
-- ARGV[2] death      str     "seen" by its supervisor, or "lapsed": only if its lease is over; charges all it held
-- ARGV[3] now        int     ms, 0 for the server's clock
-- ARGV[4] limit      int     jobs of each source at most
-- ARGV[5] charges    int     deliveries at which a job is dead-lettered
-- ARGV[6] failure    bytes   the record a dead letter gets
-- ARGV[7] keep       int     ms that who waits for the result is told of a dead letter, 0 for not at all
-- ARGV[8..] blames   held str, blame str        source and entry; "started" or "overdue"
-- Returns {"recovered", returned, charged, buried, overdue} | {"more", returned, charged, buried, overdue}
--         | {"alive"} | {"unknown"}
-- Cost    O(sources · limit)
-- Flags   allow-oom

-- @include clock
-- @include group
-- @include ring
-- @include sound
-- @include taken

local workers, stats, bell, dead, results = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local sources = { unpack(KEYS, 6, 12) }
local worker, death, now = ARGV[1], ARGV[2], clock(ARGV[3])
local limit, charges, failure, keep = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]

local blames = {}
for i = 8, #ARGV, 2 do
  blames[ARGV[i]] = ARGV[i + 1]
end

local expires = redis.call('ZSCORE', workers, worker)
if not expires then
  return { 'unknown' }
elseif death == 'lapsed' and tonumber(expires) > now then
  return { 'alive' }
end

sound('XLEN', { dead })
sound('HLEN', { stats })
sound('LLEN', { bell })
local held, more = {}, false
for source, stream in ipairs(sources) do
  held[source] = pending_of(stream, limit, worker)
  more = more or #held[source] == limit
end

local rule = { dead = dead, charges = charges, failure = failure, results = results, keep = keep }
local sums = { returned = 0, charged = 0, buried = 0, overdue = 0, gone = 0 }
for source in ipairs(sources) do
  for _, entry in ipairs(held[source]) do
    local blame = death == 'lapsed' and 'started' or blames[source .. ' ' .. entry[1]]
    local fate = taken(sources, source, entry[1], blame, rule)
    sums[fate] = sums[fate] + 1
  end
end
if sums.returned + sums.charged + sums.overdue > 0 then
  ring(bell)
end
for fate, times in pairs(sums) do
  if times > 0 then
    redis.call('HINCRBY', stats, fate, times)
  end
end
if more then
  return { 'more', sums.returned, sums.charged, sums.buried, sums.overdue }
end
for _, stream in ipairs(sources) do
  redis.pcall('XGROUP', 'DELCONSUMER', stream, GROUP, worker)
end
redis.call('ZREM', workers, worker)
return { 'recovered', sums.returned, sums.charged, sums.buried, sums.overdue }

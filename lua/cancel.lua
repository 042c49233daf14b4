-- cancel: end a job that nobody holds, or mark one that a worker holds, so that it ends there and never runs again.
-- A job is looked for first and may move meanwhile: one that is not there any more is left alone ("moved"). A mark
-- needs no place: whoever pulls a marked job ends it.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] wake      list    wakes who promotes, and looks for marks
-- KEYS[4] scheduled zset    jobs by due ms
-- KEYS[5] cancels   zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[6] result    string  how the job ended, for who waits for it
-- KEYS[7] stream    stream  the source the job was seen in
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3] id        bytes   16
-- ARGV[4] place     str     "scheduled", "stream", or "anywhere" to mark it wherever it is
-- ARGV[5] at        bytes   there: the member, or the entry id
-- ARGV[6] keep      int     ms that the record is kept
-- ARGV[7] record    bytes   how the job ended
-- Returns {"cancelled"} | {"cancelling"} | {"moved"} | {"stale"}
-- Cost    O(log scheduled + log cancels)

-- @include announce
-- @include clock
-- @include group
-- @include ring
-- @include session
-- @include sound

local session, stats, wake, scheduled, cancels = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local result, stream = KEYS[6], KEYS[7]
local seq, now, id = ARGV[1], clock(ARGV[2]), ARGV[3]
local place, at, keep, record = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local MARK_TTL_MS = 86400000 -- a job that was held may wait that long to be recovered, pulled and ended

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return { reply }
elseif seen then
  return { 'stale' }
end

sound('HLEN', { stats })
sound('LLEN', { wake })
sound('ZCARD', { scheduled, cancels })
reply = 'moved'
if place == 'scheduled' then
  reply = redis.call('ZREM', scheduled, at) == 1 and 'cancelled' or 'moved'
elseif place == 'stream' then
  local entry = redis.call('XRANGE', stream, at, at)[1]
  if entry and string.sub(entry[2][2], 5, 20) == id then
    reply = is_held(stream, at) and 'cancelling' or 'cancelled'
  end
  if reply == 'cancelled' then
    redis.call('XDEL', stream, at)
  end
else
  reply = 'cancelling'
end

if reply == 'cancelled' then
  redis.call('HINCRBY', stats, 'cancelled', 1)
  redis.call('ZREM', cancels, id)
  announce(result, keep, record)
elseif reply == 'cancelling' then
  redis.call('ZREMRANGEBYSCORE', cancels, '-inf', now - MARK_TTL_MS)
  local last = tonumber(redis.call('ZRANGE', cancels, 0, 0, 'REV', 'WITHSCORES')[2] or 0)
  redis.call('ZADD', cancels, math.max(now, last + 1), id)
  redis.call('PEXPIRE', cancels, MARK_TTL_MS)
  redis.call('HINCRBY', stats, 'marked', 1)
  ring(wake)
end
remember(session, seq, reply)
return { reply }

-- empty: end jobs that wait in a stream and that nobody has pulled, as cancelled; who waits for their results is told.
-- Of suspects those of some priorities only.
--
-- KEYS[1] session  string  this caller's last number and reply
-- KEYS[2] stats    hash    counters of the domain
-- KEYS[3] limits   hash    what bounds the domain
-- KEYS[4] room     list    wakes one caller that waits for room
-- KEYS[5] cancels  zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[6] results  prefix  results by job id
-- KEYS[7] stream   stream  one of the domain's sources
-- ARGV[1] seq      int     the caller's number for this call
-- ARGV[2] now      int     ms, 0 for the server's clock
-- ARGV[3] letters  str     of the priorities that suspects are ended of; "" in other streams, for all
-- ARGV[4] limit    int     entries at most that are looked at
-- ARGV[5] after    str     entry id behind which to go on, "0-0" for all
-- ARGV[6] keep     int     ms that the record is kept
-- ARGV[7] record   bytes   how the jobs ended
-- Returns {"more", jobs, after} | {"emptied", jobs} | {"stale"}
-- Cost    O(limit)
-- Flags   allow-oom

-- @include announce
-- @include clock
-- @include pausing
-- @include room
-- @include session
-- @include sound

local session, stats, limits, room, cancels = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local results, stream = KEYS[6], KEYS[7]
local seq, now, letters, limit = ARGV[1], clock(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local after, keep, record = ARGV[5], ARGV[6], ARGV[7]

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  local word, jobs, at = string.match(reply, '^(%S+) (%S+) ?(%S*)$')
  return { word, tonumber(jobs), at ~= '' and at or nil }
elseif seen then
  return { 'stale' }
end

sound('HLEN', { stats })
sound('ZCARD', { cancels })
local wanted = wants_room(limits, room, now)
local waiting, jobs = unseen(stream, limit, after), 0
for _, entry in ipairs(waiting) do
  if letters == '' or is_among(letters, letter_of(entry)) then
    redis.call('XDEL', stream, entry[1])
    redis.call('ZREM', cancels, string.sub(entry[2][2], 5, 20))
    announce(results .. id_text(entry[2][2]), keep, record)
    jobs = jobs + 1
  end
end
if jobs > 0 then
  redis.call('HINCRBY', stats, 'cancelled', jobs)
  make_room(wanted, room)
end
local answer = { 'emptied', jobs }
if #waiting == limit then
  answer = { 'more', jobs, waiting[limit][1] }
end
remember(session, seq, table.concat(answer, ' '))
return answer

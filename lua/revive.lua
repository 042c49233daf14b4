-- revive: make dead letters jobs again, each for now or for its time, once per numbered call.
-- A letter goes in the step in which its job comes back, so it is never in both places or in neither. One that is
-- not there any more (revived, amended or purged by somebody else) is left out, and its place told, from 1 on.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] bell      list    wakes one idle worker
-- KEYS[4] wake      list    wakes who promotes due jobs
-- KEYS[5] scheduled zset    jobs by due ms
-- KEYS[6] dead      stream  dead letters
-- KEYS[7] results   prefix  results by job id; a record of the death goes, for the job is alive
-- KEYS[8] cancels   zset    ids of marked jobs; a mark of the death goes too
-- KEYS[9] limits    hash    what bounds the domain
-- KEYS[10] high     stream  ready jobs
-- KEYS[11] normal   stream  ready jobs
-- KEYS[12] low      stream  ready jobs
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3..] letters letter str, where str, job bytes
-- Returns {"revived", absent...} | {"replayed", absent...} | {"stale"}
-- Cost    O(letters), O(log scheduled) for each that is due later

-- @include announce
-- @include clock
-- @include session
-- @include ring
-- @include place
-- @include sound

local session, stats, bell, wake, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, results, cancels, limits = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local ready = { h = KEYS[10], n = KEYS[11], l = KEYS[12] }
local seq, now = ARGV[1], clock(ARGV[2])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  local absent = { 'replayed' }
  for index in string.gmatch(reply, '%d+') do
    absent[#absent + 1] = tonumber(index)
  end
  return absent
elseif seen then
  return { 'stale' }
end

local placed = {}
for i = 3, #ARGV, 3 do
  local kept = redis.call('XRANGE', dead, ARGV[i], ARGV[i])[1]
  local letter, due = place(ARGV[i + 1], now)
  local job = assert(ARGV[i + 2], 'a letter without its job')
  assert(not kept or id_text(kept[2][2]) == id_text(job), 'the job of another letter')
  placed[#placed + 1] = { ARGV[i], letter, due, job }
end
sound('XLEN', ready)
sound('ZCARD', { scheduled, cancels })
sound('LLEN', { bell, wake })
sound('HLEN', { stats, limits })
redis.call('HDEL', limits, 'slack')

local answer, absent, revived = { 'revived' }, {}, 0
for index, it in ipairs(placed) do
  local entry, letter, due, job = it[1], it[2], it[3], it[4]
  if redis.call('XDEL', dead, entry) == 0 then
    answer[#answer + 1], absent[#absent + 1] = index, index
  else
    revived = revived + 1
    redis.call('DEL', results .. id_text(job))
    redis.call('ZREM', cancels, string.sub(job, 5, 20))
    if due then
      redis.call('ZADD', scheduled, due, letter .. job)
      ring(wake)
    else
      redis.call('XADD', ready[letter], '*', 'j', job)
      ring(bell)
    end
  end
end
redis.call('HINCRBY', stats, 'revived', revived)
remember(session, seq, table.concat(absent, ' '))
return answer

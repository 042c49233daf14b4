-- enqueue: accept jobs of one domain, each for now or for its time, once per numbered call, as far as there is room.
-- What bounds the domain, its load and what becomes of the jobs are one step, so no number of callers overshoots.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] limits    hash    what bounds the domain; see docs/admission.md
-- KEYS[4] room      list    wakes one caller that waits for room
-- KEYS[5] bell      list    wakes one idle worker
-- KEYS[6] wake      list    wakes who promotes due jobs
-- KEYS[7] scheduled zset    jobs by due ms
-- KEYS[8] leases    zset    admission tokens by expiry (ms), those of high priority by the negative of it
-- KEYS[9] suspects  stream  jobs that were running when their worker died
-- KEYS[10] back_high stream returned jobs
-- KEYS[11] back_normal stream returned jobs
-- KEYS[12] back_low stream  returned jobs
-- KEYS[13] high     stream  ready jobs
-- KEYS[14] normal   stream  ready jobs
-- KEYS[15] low      stream  ready jobs
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3] partial   flag    1 to accept what there is room for; else one that is refused keeps out all
-- ARGV[4] waits     int     ms that the caller will wait for room if it is refused
-- ARGV[5..] jobs    where str, job bytes
-- Returns {"accepted", ms} | {"admitted", ms, load, rule, pace, refused...}
--         | {"refused", reason, load, rule, pace} | {"stale"}
-- Cost    O(jobs), O(log scheduled) for each that is due later

-- @include session
-- @include straight

local session, stats, limits, room, bell, wake = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local scheduled, leases, suspects = KEYS[7], KEYS[8], KEYS[9]
local back_high, back_normal, back_low = KEYS[10], KEYS[11], KEYS[12]
local ready = { h = KEYS[13], n = KEYS[14], l = KEYS[15] }
local seq, now, partial, waits = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  -- @include answered
  return answered(reply)
elseif seen then
  return { 'stale' }
elseif #ARGV < 6 or #ARGV % 2 == 1 then
  error('a place without a job')
end

local letter, job = unpack(ARGV, 5, 6)
local held, single = redis.call('HMGET', limits, 'rule', 'slack'), #ARGV == 6 and ready[letter]
local rule, upto, till, base = held[1], slack_for(held[2], letter)
local taken, count
if single and not rule then
  taken = straight(single, bell, stats, 'enqueued', nil, now, job)
  remember(session, seq, taken)
  return { 'accepted', tonumber(taken) }
elseif single and upto and waits == 0 then
  taken, count = straight(single, bell, stats, 'admitted_' .. letter, upto, now, job)
  if taken and tonumber(taken) <= till then
    local answer = { 'admitted', taken, count + base, rule, '-1' }
    remember(session, seq, table.concat(answer, ' '))
    return answer
  end
end

-- @include accept
local keys = { stats = stats, limits = limits, room = room, bell = bell, wake = wake, scheduled = scheduled }
keys.leases, keys.suspects, keys.back_high, keys.back_normal, keys.back_low =
  leases, suspects, back_high, back_normal, back_low
if held[2] then
  redis.call('HDEL', limits, 'slack')
end
local kept, answer
if taken then -- what was known of the load is too old to be told
  local load = weighed(keys, ready, function()
    return tonumber(taken)
  end)
  answer = { 'admitted', taken, load, rule, '-1' }
  kept = table.concat(answer, ' ')
else
  kept, answer = accept(keys, ready, rule, ARGV, 5, now, partial, waits)
end
remember(session, seq, kept)
return answer

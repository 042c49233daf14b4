-- grant: admit work that is not queued: a lease that counts as load until it is given back or its time is over.
-- The rules are those of jobs, and judged in the same step that grants it, so no number of callers overshoots.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] limits    hash    what bounds the domain; see docs/admission-leases.md
-- KEYS[4] room      list    wakes one caller that waits for room
-- KEYS[5] leases    zset    admission leases by when they are over (ms), those of high priority by the negative of it
-- KEYS[6] suspects  stream  jobs that were running when their worker died
-- KEYS[7] back_high stream  returned jobs
-- KEYS[8] back_normal stream returned jobs
-- KEYS[9] back_low  stream  returned jobs
-- KEYS[10] high     stream  ready jobs
-- KEYS[11] normal   stream  ready jobs
-- KEYS[12] low      stream  ready jobs
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3] lease     str     its id, which nobody else has: it begins with the letter of its priority
-- ARGV[4] ttl       int     ms after which it is over by itself
-- ARGV[5] waits     int     ms that the caller will wait for room if it is refused
-- Returns {"granted", over} | {"admitted", over, load, rule, pace} | {"refused", reason, load, rule, pace} | {"stale"}
-- Cost    O(log leases)

-- @include clock
-- @include session
-- @include sound
-- @include ring
-- @include gauge
-- @include pace
-- @include timed

local session, stats, limits, room, leases, suspects = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local back_high, back_normal, back_low, high, normal, low = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local seq, now, lease, ttl, waits = ARGV[1], clock(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

local function words(text)
  local found = {}
  for word in string.gmatch(text, '%S+') do
    found[#found + 1] = word
  end
  return found
end

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return words(reply)
elseif seen then
  return { 'stale' }
end

local letter, over = string.sub(lease, 1, 1), now + ttl
if not string.find(letter, '[hnl]') or ttl <= 0 then
  error('no such lease')
end
if waits > 0 then
  sound('LLEN', { room })
end
local function time()
  return now
end

local rule, answer = redis.call('HGET', limits, 'rule'), { 'granted', over }
if rule then
  rule = bounds_now(rule, limits, stats, { high, normal, low }, now)
  local total, rest = load_of(high, normal, low, back_high, back_normal, back_low, suspects, leases, stats, time)
  local hard, share, soft, draining = bounds(rule)
  local reason = draining and 'draining' or why_not(hard, share, total, rest, letter == 'h')
  if reason then
    redis.call('HINCRBY', stats, 'refused_' .. reason .. '_' .. letter, 1)
    answer = { 'refused', reason, total, rule, pace(limits, stats, now) }
  elseif total >= soft then
    redis.call('HINCRBY', stats, 'granted_soft_' .. letter, 1)
    answer = { 'admitted', over, total + 1, rule, pace(limits, stats, now) }
  else
    answer = { 'admitted', over, total + 1, rule, '-1' }
  end
else
  held_leases(leases, stats, time)
end

if answer[1] ~= 'refused' then
  redis.call('HINCRBY', stats, 'granted_' .. letter, 1)
  redis.call('HDEL', limits, 'slack')
  redis.call('ZADD', leases, letter == 'h' and -over or over, lease)
  if waits > 0 then
    ring(room) -- perhaps there is room for the next one, too
  end
elseif waits > 0 then
  redis.call('HSET', limits, 'waiting', string.format('%d', now + waits))
end
remember(session, seq, table.concat(answer, ' '))
return answer

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
-- @include ring
-- @include sound
-- @include aim
-- @include gauge
-- @include admit

local session, stats, limits, room, bell, wake = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local scheduled, leases, suspects = KEYS[7], KEYS[8], KEYS[9]
local back_high, back_normal, back_low = KEYS[10], KEYS[11], KEYS[12]
local ready = { h = KEYS[13], n = KEYS[14], l = KEYS[15] }
local seq, now, partial, waits = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return answered(reply)
elseif seen then
  return { 'stale' }
elseif #ARGV < 6 or #ARGV % 2 == 1 then
  error('a place without a job')
end

local into, later, streams, moment = aimed(ARGV, 5, ready, now)
local ringing, delayed = next(streams) and silent(bell), next(later)
local waking = delayed and silent(wake)
if delayed then
  sound('ZCARD', { scheduled })
end

local rule, answer, out = redis.call('HGET', limits, 'rule'), nil, nil
if rule then
  local function time()
    moment = moment or clock(now)
    return moment
  end
  local keys = { stats = stats, limits = limits, room = room }
  local total, rest =
    load_of(ready.h, ready.n, ready.l, back_high, back_normal, back_low, suspects, leases, stats, time)
  answer, out = admit(rule, total, rest, ARGV, 5, later, keys, time, partial, waits)
else
  sound('XLEN', streams)
  redis.call('HINCRBY', stats, 'enqueued', (#ARGV - 4) / 2) -- fails by itself on a foreign type
end

local first = entered(ARGV, 5, into, later, scheduled, out, ringing and bell, waking and wake)
moment = moment or tonumber(string.match(first, '^%d+'))
if answer then
  answer[2] = answer[2] or moment
  remember(session, seq, table.concat(answer, ' '))
  return answer
end
remember(session, seq, string.format('%d', moment))
return { 'accepted', moment }

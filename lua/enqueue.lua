-- enqueue: accept jobs of one domain, each for now or for its time, once per numbered call.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] bell      list    wakes one idle worker
-- KEYS[4] wake      list    wakes who promotes due jobs
-- KEYS[5] scheduled zset    jobs by due ms
-- KEYS[6] high      stream  ready jobs
-- KEYS[7] normal    stream  ready jobs
-- KEYS[8] low       stream  ready jobs
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3..] jobs    where str, job bytes
-- Returns {"accepted", ms} | {"stale"}
-- Cost    O(jobs), O(log scheduled) for each that is due later

-- @include clock
-- @include session
-- @include ring
-- @include place
-- @include sound

local session, stats, bell, wake, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ready = { h = KEYS[6], n = KEYS[7], l = KEYS[8] }
local seq, now = ARGV[1], clock(ARGV[2])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return { 'accepted', tonumber(reply) }
elseif seen then
  return { 'stale' }
end

local placed, at_once, delayed = {}, {}, false
for i = 3, #ARGV, 2 do
  local letter, due = ARGV[i], nil
  if not ready[letter] then
    letter, due = place(letter, now)
  end
  placed[#placed + 1] = { letter, due, assert(ARGV[i + 1], 'a place without a job') }
  if due then
    delayed = true
  else
    at_once[letter] = ready[letter]
  end
end
local ringing = next(at_once) and silent(bell)
local waking = delayed and silent(wake)
sound('XLEN', at_once)
sound('ZCARD', { delayed and scheduled or nil })

redis.call('HINCRBY', stats, 'enqueued', #placed) -- fails by itself on a foreign type
for _, it in ipairs(placed) do
  local letter, due, job = it[1], it[2], it[3]
  if due then
    redis.call('ZADD', scheduled, due, letter .. job)
  else
    redis.call('XADD', ready[letter], '*', 'j', job)
  end
end
if ringing then
  strike(bell)
end
if waking then
  strike(wake)
end
remember(session, seq, string.format('%d', now))
return { 'accepted', now }

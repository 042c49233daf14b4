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
local seq, now = ARGV[1], ARGV[2]

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return { 'accepted', tonumber(reply) }
elseif seen then
  return { 'stale' }
elseif #ARGV < 4 or #ARGV % 2 == 1 then
  error('a place without a job')
end

-- Most calls are for now: those never look at the clock, their entries' ids tell the time.
local moment = now ~= '0' and tonumber(now) or nil
local streams, zsets, into, later = {}, {}, {}, {}
local function aim(i)
  moment = moment or clock(now)
  local letter, due = place(ARGV[i], moment)
  if due then
    later[i], zsets[1] = { due, letter }, scheduled
  else
    into[i], streams[letter] = ready[letter], ready[letter]
  end
end
for i = 3, #ARGV, 2 do
  local stream = ready[ARGV[i]]
  if stream then
    streams[ARGV[i]] = stream
  else
    aim(i)
  end
end
local ringing = next(streams) and silent(bell)
local waking = zsets[1] and silent(wake)
sound('XLEN', streams)
sound('ZCARD', zsets)

redis.call('HINCRBY', stats, 'enqueued', (#ARGV - 2) / 2) -- fails by itself on a foreign type
local function write(i)
  if later[i] then
    redis.call('ZADD', scheduled, later[i][1], later[i][2] .. ARGV[i + 1])
    return nil
  end
  return redis.call('XADD', ready[ARGV[i]] or into[i], '*', 'j', ARGV[i + 1])
end
local first
for i = 3, #ARGV, 2 do
  local id = write(i)
  first = first or id
end
if ringing then
  strike(bell)
end
if waking then
  strike(wake)
end
moment = moment or tonumber(string.match(first, '^%d+'))
remember(session, seq, string.format('%d', moment))
return { 'accepted', moment }

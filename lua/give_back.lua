-- give_back: end an admission lease before its time, and wake who waits for room.
-- Giving back what is over, or not there, changes nothing: the reply says so.
--
-- KEYS[1] session   string  this caller's last number and reply
-- KEYS[2] stats     hash    counters of the domain
-- KEYS[3] limits    hash    what bounds the domain
-- KEYS[4] room      list    wakes one caller that waits for room
-- KEYS[5] leases    zset    admission leases by when they are over (ms), those of high priority by the negative of it
-- ARGV[1] seq       int     the caller's number for this call
-- ARGV[2] now       int     ms, 0 for the server's clock
-- ARGV[3] lease     str     its id
-- ARGV[4] over      int     ms since the epoch, when it is over, as its holder was told; 0 if nobody was
-- Returns {"released"} | {"expired"} | {"unknown"} | {"stale"}
-- Cost    O(log leases)
-- Flags   allow-oom

-- @include clock
-- @include session
-- @include room

local session, stats, limits, room, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local seq, now, lease, over = ARGV[1], clock(ARGV[2]), ARGV[3], tonumber(ARGV[4])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return { reply }
elseif seen then
  return { 'stale' }
end

local word = over > 0 and over <= now and 'expired' or 'unknown'
local score = redis.call('ZSCORE', leases, lease)
if score then
  word = math.abs(tonumber(score)) > now and 'released' or 'expired'
  local wanted = wants_room(limits, room, now)
  redis.call('HINCRBY', stats, word .. '_' .. string.sub(lease, 1, 1), 1) -- fails by itself on a foreign type
  redis.call('ZREM', leases, lease)
  make_room(wanted, room)
end
remember(session, seq, word)
return { word }

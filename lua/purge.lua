-- purge: delete dead letters, and count them; once per numbered call, so that the count is that of the first.
--
-- KEYS[1] session  string  this caller's last number and reply
-- KEYS[2] stats    hash    counters of the domain
-- KEYS[3] dead     stream  dead letters
-- ARGV[1] seq      int     the caller's number for this call
-- ARGV[2..] letters letter str
-- Returns {"purged", letters} | {"stale"}
-- Cost    O(letters)
-- Flags   allow-oom

-- @include session
-- @include sound

local session, stats, dead = KEYS[1], KEYS[2], KEYS[3]
local seq = ARGV[1]

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  return { 'purged', tonumber(reply) }
elseif seen then
  return { 'stale' }
end

local letters = {}
for i = 2, #ARGV do
  letters[#letters + 1] = ARGV[i]
end
sound('HLEN', { stats })
local purged = redis.call('XDEL', dead, unpack(letters)) -- fails by itself on a foreign type or id
redis.call('HINCRBY', stats, 'purged', purged)
remember(session, seq, string.format('%d', purged))
return { 'purged', purged }

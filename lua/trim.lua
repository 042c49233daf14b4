-- trim: purge the oldest dead letters that are beyond a domain's bounds, and count them; call again at "more".
-- Nothing else lets go of a letter that nobody named: no stream here is ever cut by Redis itself.
--
-- KEYS[1] stats  hash    counters of the domain
-- KEYS[2] dead   stream  dead letters
-- ARGV[1] now    int     ms, 0 for the server's clock
-- ARGV[2] age    int     ms that letters are kept, -1 for ever
-- ARGV[3] keep   int     letters that are kept, -1 for any number
-- ARGV[4] limit  int     letters purged at most
-- Returns {"trimmed", letters} | {"more", letters}
-- Cost    O(limit)
-- Flags   allow-oom

-- @include clock
-- @include sound

local stats, dead = KEYS[1], KEYS[2]
local now, age, keep, limit = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

sound('HLEN', { stats })
local length, beyond = redis.call('XLEN', dead), {}
for place, entry in ipairs(redis.call('XRANGE', dead, '-', '+', 'COUNT', limit)) do
  local ms = tonumber(string.match(entry[1], '^%d+'))
  local many, old = keep >= 0 and length - place >= keep, age >= 0 and ms < now - age
  if not (many or old) then
    break
  end
  beyond[place] = entry[1]
end
if #beyond == 0 then
  return { 'trimmed', 0 }
end
redis.call('XDEL', dead, unpack(beyond))
redis.call('HINCRBY', stats, 'purged', #beyond)
return { #beyond == limit and 'more' or 'trimmed', #beyond }

-- letters: read dead letters, some at a time, from the oldest or from the newest on; "more" says where to go on.
-- A page ends after `limit` letters looked at, or once it holds `bytes`, so that large letters make no large reply.
--
-- KEYS[1] dead    stream  dead letters
-- ARGV[1] from    str     entry id to begin with, or "(" and one to begin behind; "-" or "+" for the first or last
-- ARGV[2] to      str     entry id to end with, of the same forms
-- ARGV[3] newest  flag    1 to read backwards: `from` is the later of the two then
-- ARGV[4] reason  str     of the letters that are wanted, "" for any
-- ARGV[5] limit   int     letters looked at, at most
-- ARGV[6] bytes   int     after which a page ends
-- Returns {"letters", entries} | {"more", from, entries}
-- Cost    O(limit)
-- Flags   no-writes

local dead = KEYS[1]
local from, to, newest, reason = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4]
local limit, bytes = tonumber(ARGV[5]), tonumber(ARGV[6])

local AT_ONCE = 10 -- what is read is in memory whether it is wanted or not
local range = newest and 'XREVRANGE' or 'XRANGE'

local found, seen, size = {}, 0, 0

local function keep(entry)
  local told, weight = nil, 0
  for i = 1, #entry[2], 2 do
    told = entry[2][i] == 'r' and entry[2][i + 1] or told
    weight = weight + #entry[2][i + 1]
  end
  if reason == '' or told == reason then
    found[#found + 1], size = entry, size + weight
  end
end

repeat
  local asked = math.min(AT_ONCE, limit - seen)
  local entries = redis.call(range, dead, from, to, 'COUNT', asked)
  for _, entry in ipairs(entries) do
    seen, from = seen + 1, '(' .. entry[1]
    keep(entry)
  end
  if #entries < asked then
    return { 'letters', found }
  end
until seen >= limit or size >= bytes
return { 'more', from, found }

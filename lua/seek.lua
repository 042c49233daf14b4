-- seek: find a job by its id in one stream, some entries at a time; "more" says where to go on.
-- The job is not decoded: its id stands at a fixed place of the blob (bytes 5 to 20).
--
-- KEYS[1] stream  stream  one source, or the dead letters
-- ARGV[1] id      bytes   16
-- ARGV[2] from    str     entry id to begin with, or "(" and one to begin behind, "-" for the first
-- ARGV[3] limit   int     entries at most
-- Returns {"found", entry, held} | {"more", from} | {"absent"}
-- Cost    O(limit)
-- Flags   no-writes

-- @include group

local stream = KEYS[1]
local id, from, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])

local entries = redis.call('XRANGE', stream, from, '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  if string.sub(entry[2][2], 5, 20) == id then
    local held = redis.pcall('XPENDING', stream, GROUP, entry[1], entry[1], 1) -- dead letters have no group
    return { 'found', entry[1], #held }
  end
end
if #entries == limit then
  return { 'more', '(' .. entries[limit][1] }
end
return { 'absent' }

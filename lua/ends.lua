-- ends: tell how a job ended: by the record kept for who waits for it, else by its dead letter; "more" says where
-- to go on among the letters.
-- Both in one step: a job that is dead-lettered meanwhile, or whose record expires, is still seen in one of them.
-- Letters are not decoded: the job's id stands at a fixed place of the blob (bytes 5 to 20).
--
-- KEYS[1] result  string  how the job ended, while that is kept
-- KEYS[2] dead    stream  dead letters
-- ARGV[1] id      bytes   16
-- ARGV[2] from    str     entry id to begin with, or "(" and one to begin behind, "-" for the first
-- ARGV[3] limit   int     dead letters at most, 0 for none
-- Returns {"kept", record} | {"dead", entry, record} | {"more", from} | {"open"}
-- Cost    O(limit)
-- Flags   no-writes

local result, dead = KEYS[1], KEYS[2]
local id, from, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])

local record = redis.call('GET', result)
if record then
  return { 'kept', record }
elseif limit == 0 then
  return { 'open' }
end
local letters = redis.call('XRANGE', dead, from, '+', 'COUNT', limit)
for _, letter in ipairs(letters) do
  if string.sub(letter[2][2], 5, 20) == id then
    return { 'dead', letter[1], letter[2][6] }
  end
end
if #letters == limit then
  return { 'more', '(' .. letters[limit][1] }
end
return { 'open' }

-- marks: name the jobs that were cancelled while workers held them, some at a time; "more" says where to go on.
--
-- KEYS[1] cancels zset  ids of marked jobs by the mark's expiry (ms), no two alike
-- ARGV[1] from    str   "-inf" to begin with, or "(" and the expiry to begin behind
-- ARGV[2] limit   int   jobs at most
-- Returns {"marks", ids...} | {"more", from, ids...}
-- Cost    O(log cancels + limit)
-- Flags   no-writes

local cancels = KEYS[1]
local from, limit = ARGV[1], tonumber(ARGV[2])

local marked = redis.call('ZRANGEBYSCORE', cancels, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
local ids = {}
for i = 1, #marked, 2 do
  ids[#ids + 1] = marked[i]
end
if #ids == limit then
  return { 'more', '(' .. marked[#marked], unpack(ids) }
end
return { 'marks', unpack(ids) }

-- marks: name the jobs that were cancelled while workers held them, some at a time; "more" says where to go on.
-- Each is its id and the moment (ms) when it was marked.
--
-- KEYS[1] cancels zset  ids of marked jobs by when they were marked (ms), no two alike
-- ARGV[1] from    str   "-inf" to begin with, or "(" and the moment to begin behind
-- ARGV[2] limit   int   jobs at most
-- Returns {"marks", jobs...} | {"more", from, jobs...}
-- Cost    O(log cancels + limit)
-- Flags   no-writes

local cancels = KEYS[1]
local from, limit = ARGV[1], tonumber(ARGV[2])

local marked = redis.call('ZRANGEBYSCORE', cancels, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
if #marked == 2 * limit then
  return { 'more', '(' .. marked[#marked], unpack(marked) }
end
return { 'marks', unpack(marked) }

-- seek_scheduled: find a job by its id among those that wait for their time, some at a time.
-- The job is not decoded: behind the priority's letter its id stands at a fixed place (bytes 6 to 21).
--
-- KEYS[1] scheduled zset   jobs by due ms
-- ARGV[1] id        bytes  16
-- ARGV[2] from      int    rank to begin with; negative ranks count from the latest and pages go towards the soonest,
--                          so that no job is overlooked because others were promoted meanwhile
-- ARGV[3] limit     int    jobs at most
-- Returns {"found", due, job} | {"more", from} | {"absent"}
-- Cost    O(log scheduled + limit)
-- Flags   no-writes

local scheduled = KEYS[1]
local id, from, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local jobs = redis.call('ZRANGE', scheduled, from, from + limit - 1, 'WITHSCORES')
for i = 1, #jobs, 2 do
  if string.sub(jobs[i], 6, 21) == id then
    return { 'found', tonumber(jobs[i + 1]), jobs[i] }
  end
end
if #jobs == 2 * limit then
  return { 'more', from < 0 and from - limit or from + limit }
end
return { 'absent' }

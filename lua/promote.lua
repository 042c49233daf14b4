-- promote: move the jobs that are due to where they may run.
-- Any number of promoters may call it at any time; what is moved is no longer there to be moved.
--
-- KEYS[1] scheduled zset    jobs by due ms
-- KEYS[2] bell      list    wakes one idle worker
-- KEYS[3] high      stream  ready jobs
-- KEYS[4] normal    stream  ready jobs
-- KEYS[5] low       stream  ready jobs
-- ARGV[1] limit     int     jobs at most
-- ARGV[2] now       int     ms, 0 for the server's clock
-- Returns {"promoted", jobs, wait}
-- Cost    O(limit · log scheduled)
-- Flags   allow-oom

-- @include clock
-- @include ring
-- @include sound

local scheduled, bell = KEYS[1], KEYS[2]
local ready = { h = KEYS[3], n = KEYS[4], l = KEYS[5] }
local limit, now = ARGV[1], clock(ARGV[2])

sound('XLEN', ready)
sound('LLEN', { bell })
local due = redis.call('ZRANGEBYSCORE', scheduled, '-inf', now, 'LIMIT', 0, limit)
for _, member in ipairs(due) do
  redis.call('XADD', ready[string.sub(member, 1, 1)], '*', 'j', string.sub(member, 2))
  redis.call('ZREM', scheduled, member)
end
if #due > 0 then
  ring(bell)
end
local head = redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
return { 'promoted', #due, head[2] and math.max(0, tonumber(head[2]) - now) or -1 }

-- promote: move the jobs that are due to where they may run.
-- Any number of promoters may call it at any time; what is moved is no longer there to be moved. They also learn
-- how many marks there ever were, and so whether a running job was cancelled since they asked last.
--
-- KEYS[1] scheduled zset    jobs by due ms
-- KEYS[2] bell      list    wakes one idle worker
-- KEYS[3] stats     hash    counters of the domain
-- KEYS[4] limits    hash    what bounds the domain
-- KEYS[5] high      stream  ready jobs
-- KEYS[6] normal    stream  ready jobs
-- KEYS[7] low       stream  ready jobs
-- ARGV[1] limit     int     jobs at most
-- ARGV[2] now       int     ms, 0 for the server's clock
-- Returns {"promoted", jobs, wait, marked}
-- Cost    O(limit · log scheduled)
-- Flags   allow-oom

-- @include clock
-- @include ring
-- @include sound

local scheduled, bell, stats, limits = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ready = { h = KEYS[5], n = KEYS[6], l = KEYS[7] }
local limit, now = ARGV[1], clock(ARGV[2])

sound('XLEN', ready)
sound('LLEN', { bell })
sound('HLEN', { limits })
local marked = tonumber(redis.call('HGET', stats, 'marked') or 0)
local due = redis.call('ZRANGEBYSCORE', scheduled, '-inf', now, 'LIMIT', 0, limit)
for _, member in ipairs(due) do
  redis.call('XADD', ready[string.sub(member, 1, 1)], '*', 'j', string.sub(member, 2))
  redis.call('ZREM', scheduled, member)
end
if #due > 0 then
  redis.call('HDEL', limits, 'slack')
  ring(bell)
end
local head = redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
return { 'promoted', #due, head[2] and math.max(0, tonumber(head[2]) - now) or -1, marked }

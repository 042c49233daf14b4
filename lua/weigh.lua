-- weigh: how full a domain is, and what bounds it. Whoever paces itself asks now and then.
--
-- KEYS[1] limits    hash    what bounds the domain
-- KEYS[2] leases    zset    admission leases by when they are over (ms), those of high priority by the negative of it
-- KEYS[3] suspects  stream  jobs that were running when their worker died
-- KEYS[4] back_high stream  returned jobs
-- KEYS[5] back_normal stream returned jobs
-- KEYS[6] back_low  stream  returned jobs
-- KEYS[7] high      stream  ready jobs
-- KEYS[8] normal    stream  ready jobs
-- KEYS[9] low       stream  ready jobs
-- ARGV[1] now       int     ms, 0 for the server's clock
-- Returns {"bounded", load, rule} | {"unbounded"}
-- Cost    O(log leases)
-- Flags   no-writes

-- @include clock
-- @include gauge
-- @include timed

local limits, leases, suspects = KEYS[1], KEYS[2], KEYS[3]
local back_high, back_normal, back_low, high, normal, low = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local now = ARGV[1]

local rule, rate = unpack(redis.call('HMGET', limits, 'rule', 'throughput'))
if not rule then
  return { 'unbounded' }
end
local function time()
  return clock(now)
end
local total = load_of(high, normal, low, back_high, back_normal, back_low, suspects, leases, nil, time)
return { 'bounded', total, in_jobs(rule, tonumber(rate or -1)) }

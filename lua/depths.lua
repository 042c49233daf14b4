-- depths: how much work a domain holds, and what became of what it had.
-- Counted from the structures that hold the work, in one step, so the numbers add up.
--
-- KEYS[1] stats      hash    counters of the domain
-- KEYS[2] scheduled  zset    jobs by due ms
-- KEYS[3] dead       stream  dead letters
-- KEYS[4] workers    zset    worker ids by lease expiry (ms)
-- KEYS[5] limits     hash    what bounds the domain
-- KEYS[6] leases     zset    admission tokens by expiry (ms), those of high priority by the negative of it
-- KEYS[7..13] sources stream the domain's streams in pull order
-- ARGV[1] now        int     ms, 0 for the server's clock
-- Returns {"depths", scheduled, dead, workers, lengths, pending, counters, leases, limits}
-- Cost    O(sources)
-- Flags   no-writes

-- @include clock
-- @include group

local stats, scheduled, dead, workers, limits, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local sources = { unpack(KEYS, 7, 13) }
local now = clock(ARGV[1])

local lengths, pending = {}, {}
for place, stream in ipairs(sources) do
  lengths[place] = redis.call('XLEN', stream)
  local held = redis.pcall('XPENDING', stream, GROUP)
  pending[place] = held.err and 0 or held[1]
end
return {
  'depths',
  redis.call('ZCARD', scheduled),
  redis.call('XLEN', dead),
  redis.call('ZCARD', workers),
  lengths,
  pending,
  redis.call('HGETALL', stats),
  redis.call('ZCOUNT', leases, '-inf', '(-' .. now) + redis.call('ZCOUNT', leases, '(' .. now, '+inf'),
  redis.call('HGETALL', limits),
}

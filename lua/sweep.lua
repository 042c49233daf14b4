-- sweep: cancel jobs of one stream that nobody has pulled, the oldest first; "more" says that others are left.
--
-- KEYS[1] stats   hash    counters of the domain
-- KEYS[2] results prefix  results by job id
-- KEYS[3] stream  stream  of which
-- ARGV[1] limit   int     jobs at most
-- ARGV[2] keep    int     ms that the records are kept
-- ARGV[3] record  bytes   how the jobs ended
-- Returns {"swept", jobs} | {"more", jobs}
-- Cost    O(limit)
-- Flags   allow-oom

-- @include announce
-- @include unpulled

local stats, results, stream = KEYS[1], KEYS[2], KEYS[3]
local limit, keep, record = tonumber(ARGV[1]), ARGV[2], ARGV[3]

redis.call('HLEN', stats)
local jobs = unpulled(stream, limit)
for _, entry in ipairs(jobs) do
  redis.call('XDEL', stream, entry[1])
  announce(results .. id_text(entry[2][2]), keep, record)
end
if #jobs > 0 then
  redis.call('HINCRBY', stats, 'cancelled', #jobs)
end
return { #jobs == limit and 'more' or 'swept', #jobs }

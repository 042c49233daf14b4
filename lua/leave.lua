-- leave: sign a worker off that holds nothing.
-- XGROUP DELCONSUMER drops pending entries for good, so it is called only after seeing none.
--
-- KEYS[1] workers    zset    worker ids by lease expiry (ms)
-- KEYS[2..8] sources stream  the domain's streams in pull order
-- ARGV[1] worker     str
-- Returns {"left"} | {"holding"}
-- Cost    O(sources)
-- Flags   allow-oom

-- @include group
-- @include sound

local workers = KEYS[1]
local sources = { unpack(KEYS, 2, 8) }
local worker = ARGV[1]

sound('ZCARD', { workers })
for _, stream in ipairs(sources) do
  if #pending_of(stream, 1, worker) > 0 then
    return { 'holding' }
  end
end
for _, stream in ipairs(sources) do
  redis.pcall('XGROUP', 'DELCONSUMER', stream, GROUP, worker)
end
redis.call('ZREM', workers, worker)
return { 'left' }

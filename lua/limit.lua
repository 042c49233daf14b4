-- limit: change what bounds a domain, if nobody else has changed it since the caller looked.
-- Who waits for room is woken: there may be some now.
--
-- KEYS[1] limits    hash    what bounds the domain; see docs/admission.md
-- KEYS[2] room      list    wakes one caller that waits for room
-- ARGV[1] version   int     of what the caller saw, 0 for nothing
-- ARGV[2..] fields  name str, value str        an empty value takes the field out
-- Returns {"changed", version} | {"moved"}
-- Cost    O(fields)

-- @include ring

local limits, room = KEYS[1], KEYS[2]
local version = tonumber(ARGV[1])

local quiet = silent(room)
if tonumber(redis.call('HGET', limits, 'version') or 0) ~= version then
  return { 'moved' }
end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', limits, ARGV[i])
  else
    redis.call('HSET', limits, ARGV[i], ARGV[i + 1])
  end
end
redis.call('HDEL', limits, 'slack')
redis.call('HSET', limits, 'version', version + 1)
if quiet and redis.call('HEXISTS', limits, 'waiting') == 1 then
  strike(room)
end
return { 'changed', version + 1 }

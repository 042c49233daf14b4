-- pause: let nothing of some priorities be pulled any more, or let it be pulled again. Jobs are accepted as ever.
-- Saying it twice changes nothing.
--
-- KEYS[1] limits  hash    what bounds the domain, and its paused priorities
-- KEYS[2] bell    list    wakes one idle worker
-- ARGV[1] verb    str     "pause" or "resume"
-- ARGV[2] letters str     of the priorities, such as "nl"
-- Returns {"paused", letters}
-- Cost    O(1)

-- @include pausing
-- @include ring

local limits, bell = KEYS[1], KEYS[2]
local verb, letters = ARGV[1], ARGV[2]

if verb ~= 'pause' and verb ~= 'resume' then
  error('no such verb: ' .. verb)
end
local quiet, before, after = silent(bell), redis.call('HGET', limits, 'paused'), ''
for letter in string.gmatch('hnl', '.') do
  local is_meant = is_among(letters, letter)
  if is_meant and verb == 'pause' or not is_meant and is_among(before, letter) then
    after = after .. letter
  end
end
if after == '' then
  redis.call('HDEL', limits, 'paused')
else
  redis.call('HSET', limits, 'paused', after)
end
if verb == 'resume' and quiet then
  strike(bell) -- whoever comes and takes all it may wakes the next one
end
return { 'paused', after }

-- throughput(limits, stats, sources, now): how many of a domain's jobs end in a second when it is busy; -1 while nobody
-- knows. Measured over windows of a second or more. What ended in one counts half; when it is less than was known only
-- if jobs waited at both its ends, for else there was nothing to do. `sources` are the streams that jobs wait in.

-- @include group
-- @include pace

local function anything_waits(sources)
  for _, stream in pairs(sources) do
    if any_waits(stream) then
      return true
    end
  end
end

local function blended(rate, fresh, busy)
  if rate < 0 then
    return busy and fresh > 0 and fresh or rate
  end
  return (busy or fresh > rate) and (rate + fresh) / 2 or rate
end

local function throughput(limits, stats, sources, now)
  local kept = redis.call('HMGET', limits, 'busy_at', 'busy_ends', 'busy_waited', 'throughput')
  local before, rate = tonumber(kept[2] or 0), tonumber(kept[4] or -1)
  local passed = now - tonumber(kept[1] or 0)
  if passed >= 0 and passed < 1000 then
    return rate
  end
  local ends, waited = ended(stats), anything_waits(sources)
  if passed > 0 and passed <= 30000 and ends >= before then
    rate = blended(rate, (ends - before) * 1000 / passed, waited and kept[3] == '1')
  end
  local noted = { 'busy_at', now, 'busy_ends', ends, 'busy_waited', waited and 1 or 0 }
  redis.call('HSET', limits, 'throughput', string.format('%.3f', rate), unpack(noted))
  return rate
end

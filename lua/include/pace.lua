-- pace(limits, stats, now): how many jobs and admission leases of a domain end in a second, '-1' while nobody knows.
-- Measured over windows of a second or more, from the counters of what ended, and blended half and half with what was
-- measured before; only looked at while a domain is under pressure, so a window that nobody looked at for 30 s begins
-- anew.

local function ended(stats)
  local jobs = redis.call('HMGET', stats, 'ack', 'done', 'dropped', 'dead', 'buried', 'cancelled')
  local given_back = redis.call('HMGET', stats, 'released_h', 'released_n', 'released_l')
  local expired, ends = redis.call('HMGET', stats, 'expired_h', 'expired_n', 'expired_l'), 0
  for _, counts in ipairs({ jobs, given_back, expired }) do
    for _, count in ipairs(counts) do
      ends = ends + tonumber(count or 0)
    end
  end
  return ends
end

local function pace(limits, stats, now)
  local ends = ended(stats)
  local kept = redis.call('HMGET', limits, 'paced_at', 'paced_ends', 'pace')
  local rate, before, passed = kept[3] or '-1', tonumber(kept[2] or 0), now - tonumber(kept[1] or 0)
  if passed >= 0 and passed < 1000 then
    return rate
  end
  if passed > 0 and passed <= 30000 and ends >= before then
    local fresh, old = (ends - before) * 1000 / passed, tonumber(rate)
    rate = string.format('%.3f', old < 0 and fresh or (old + fresh) / 2)
  end
  redis.call('HSET', limits, 'paced_at', string.format('%d', now), 'paced_ends', ends, 'pace', rate)
  return rate
end

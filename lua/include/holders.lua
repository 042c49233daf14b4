-- held_leases(leases, stats, time): how many admission leases are held, those of high priority and the others; `time`
-- tells the time, if anybody has to know it. Those whose time is over are dropped and counted, 500 at once, if `stats`
-- is given. A lease's id begins with the letter of its priority; its score is when it is over (ms), below 0 for high.
-- So those that are over lie side by side around 0.

local MOST_DROPPED = 500

local function drop_over(leases, stats, now)
  local over, times = redis.call('ZRANGEBYSCORE', leases, '-' .. now, now, 'LIMIT', 0, MOST_DROPPED), {}
  for _, lease in ipairs(over) do
    local letter = string.sub(lease, 1, 1)
    times[letter] = (times[letter] or 0) + 1
  end
  for letter, number in pairs(times) do
    redis.call('HINCRBY', stats, 'expired_' .. letter, number) -- fails by itself on a foreign type
  end
  redis.call('ZREM', leases, unpack(over))
end

local function held_leases(leases, stats, time)
  local all = redis.call('ZCARD', leases)
  if all == 0 then
    return 0, 0
  end
  local now = time()
  local first = redis.call('ZCOUNT', leases, '-inf', '(-' .. now)
  local rest = redis.call('ZCOUNT', leases, '(' .. now, '+inf')
  if stats and first + rest < all then
    drop_over(leases, stats, now)
  end
  return first, rest
end

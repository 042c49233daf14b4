-- spending(wanted, budget, stats, now): what a domain may spend on retries. `pay()` charges one and tells by how many
-- ms it is put off, `keep()` writes what is left; nothing is read or written unless it is wanted. Credit is counted
-- in ms of waiting: time earns itself, a success EARNED, a retry costs COST. The rule is told in
-- heijunka/policies/budget.py. A key that expired was full for long.

local COST, EARNED, MOST_CREDIT, DEEPEST_DEBT, LINGER_MS = 100, 10, 50000, 3600000, 60000

local function spending(wanted, budget, stats, now)
  local account, credit, successes, paid = {}, MOST_CREDIT, 0, false
  if wanted then
    local known, ends = redis.call('GET', budget), redis.call('HMGET', stats, 'ack', 'done')
    successes = (tonumber(ends[1]) or 0) + (tonumber(ends[2]) or 0)
    local left, at, seen = string.match(known or '', '^(-?%d+) (%d+) (%d+)$')
    if left then -- what somebody else wrote there is worth nothing, and must not keep a job from its retry
      local earned = math.max(0, now - tonumber(at)) + EARNED * math.max(0, successes - tonumber(seen))
      credit = math.min(MOST_CREDIT, tonumber(left) + earned)
    end
  end

  function account.pay()
    paid = true
    credit = math.max(-DEEPEST_DEBT, credit - COST)
    return math.max(0, -credit)
  end

  function account.keep()
    if paid then
      local value = string.format('%d %d %d', credit, now, successes)
      redis.call('SET', budget, value, 'PX', MOST_CREDIT - credit + LINGER_MS)
    end
  end

  return account
end

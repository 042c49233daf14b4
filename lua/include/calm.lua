-- calmly(rule, total, rest, jobs, first, later, stats): the load when jobs have been taken that meet no limit, and are
-- counted; nil when one of them might. What it takes `judge` would take, at several times the cost.

-- @include gauge

local function calmly(rule, total, rest, jobs, first, later, stats)
  local hard, share, soft, draining = bounds(rule)
  local many = (#jobs - first + 1) / 2
  if draining or total + many > math.min(hard, soft) or rest + many > share then
    return nil
  end
  if many == 1 then
    redis.call('HINCRBY', stats, 'admitted_' .. string.sub(jobs[first], 1, 1), 1)
    return total + (later[first] and 0 or 1)
  end
  local times = {}
  for i = first, #jobs, 2 do
    local letter = string.sub(jobs[i], 1, 1)
    times[letter] = (times[letter] or 0) + 1
    total = total + (later[i] and 0 or 1)
  end
  for letter, number in pairs(times) do
    redis.call('HINCRBY', stats, 'admitted_' .. letter, number)
  end
  return total
end

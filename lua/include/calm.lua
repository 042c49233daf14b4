-- calmly(rule, total, rest, jobs, first, later, stats): the load when jobs have been taken that meet no limit, and are
-- counted; nil when one of them might, or there is more to the rule than three limits. What it takes `judge` would
-- take, at several times the cost.

local function calmly(rule, total, rest, jobs, first, later, stats)
  local hard, share, soft = string.match(rule, '^(%d+),(%d+),(%d+)$')
  local many = (#jobs - first + 1) / 2
  if not hard or total + many > hard - 0 or total + many > soft - 0 or rest + many > share - 0 then
    return nil
  end
  if many == 1 then
    redis.call('HINCRBY', stats, 'admitted_' .. string.sub(jobs[first], 1, 1), 1)
    return total + (later[first] and 0 or 1)
  end
  local times, due = {}, 0
  for i = first, #jobs, 2 do
    times[jobs[i]] = (times[jobs[i]] or 0) + 1 -- most calls have one place, or a few
  end
  for where, number in pairs(times) do
    redis.call('HINCRBY', stats, 'admitted_' .. string.sub(where, 1, 1), number)
  end
  for _ in pairs(later) do
    due = due + 1
  end
  return total + many - due
end

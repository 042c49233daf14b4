-- calmly(rule, total, rest, jobs, first, later, keys, time): the load when jobs have been taken that meet no limit, and
-- are counted; nil when one of them might, or there is more to the rule than three limits. What it takes `judge` would
-- take, at several times the cost. After a single job there is slack for more like it.

-- @include slack

local function calmly(rule, total, rest, jobs, first, later, keys, time)
  local hard, share, soft = string.match(rule, '^(%d+),(%d+),(%d+)$')
  local many = (#jobs - first + 1) / 2
  if not hard or total + many > hard - 0 or total + many > soft - 0 or rest + many > share - 0 then
    return nil
  end
  if many == 1 then
    local letter = string.sub(jobs[first], 1, 1)
    local count = redis.call('HINCRBY', keys.stats, 'admitted_' .. letter, 1)
    local load = total + (later[first] and 0 or 1)
    local room = math.min(hard, soft) - load
    if letter ~= 'h' then
      room = math.min(room, share - rest - 1)
    end
    keep_slack(keys.limits, letter, room, count, load, time())
    return load
  end
  local times, due = {}, 0
  for i = first, #jobs, 2 do
    times[jobs[i]] = (times[jobs[i]] or 0) + 1 -- most calls have one place, or a few
  end
  for where, number in pairs(times) do
    redis.call('HINCRBY', keys.stats, 'admitted_' .. string.sub(where, 1, 1), number)
  end
  for _ in pairs(later) do
    due = due + 1
  end
  return total + many - due
end

-- judge(rule, total, rest, jobs, first, later): which jobs a domain takes, `jobs` being places and blobs in turn from
-- `first` on, `later` true for those that are not due yet: these need room now, and take none. The verdict has
-- `total`, the load with those that are taken; `refused`, the number of each that is not and why, in turn; `out`,
-- true at their indexes; `reason`, the first one's; `pressed`, whether a limit was met; `counted`, what counters go
-- up by. `refuse_all(verdict, total, jobs, first)` keeps out those that were taken, too.

-- @include gauge

local function tally(it, what, where)
  local name = what .. string.sub(where, 1, 1)
  it.counted[name] = (it.counted[name] or 0) + 1
end

local function refuse(it, jobs, first, i, reason)
  tally(it, 'refused_' .. reason .. '_', jobs[i])
  it.out[i], it.pressed, it.reason = true, true, it.reason or reason
  it.refused[#it.refused + 1] = (i - first) / 2 + 1
  it.refused[#it.refused + 1] = reason
end

local function judge(rule, total, rest, jobs, first, later)
  local hard, share, soft, draining = bounds(rule)
  local it, now_rest = { total = total, refused = {}, out = {}, counted = {} }, rest
  for i = first, #jobs, 2 do
    local high, waits = string.sub(jobs[i], 1, 1) == 'h', later[i]
    local reason = draining and 'draining'
      or why_not(hard, share, waits and total or it.total, waits and rest or now_rest, high)
    if reason then
      refuse(it, jobs, first, i, reason)
    else
      tally(it, 'admitted_', jobs[i])
      if it.total >= soft then
        it.pressed = true
        tally(it, 'soft_', jobs[i])
      end
      it.total, now_rest = it.total + (waits and 0 or 1), now_rest + ((waits or high) and 0 or 1)
    end
  end
  return it
end

local function refuse_all(it, total, jobs, first)
  it.total, it.refused, it.out, it.counted, it.whole = total, {}, {}, {}, true
  for i = first, #jobs, 2 do
    refuse(it, jobs, first, i, it.reason)
  end
end

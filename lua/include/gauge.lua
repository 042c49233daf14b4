-- bounds(rule): what the field "rule" of a domain's limits says: the hard limit, the share of normal and low, the soft
-- limit, each `inf` where there is none, and whether the domain is being drained.
-- why_not(hard, share, total, rest, high): the limit that keeps a job out under that load, if one does.
-- load_of(high, normal, low, back_high, back_normal, back_low, suspects, leases, stats, time): the load, read from what
-- holds the work: all of it, and that of normal and low. Suspects count among the latter whatever their priority.
-- `time` tells the time, if anybody has to know it; leases that are over are dropped if `stats` is given.

-- @include holders

local function bounds(rule)
  local hard, share, soft, draining = string.match(rule, '^([^,]+),([^,]+),([^,]+)(.*)$')
  return tonumber(hard) or math.huge, tonumber(share) or math.huge, tonumber(soft) or math.huge, draining ~= ''
end

local function why_not(hard, share, total, rest, high)
  return total >= hard and 'hard' or not high and rest >= share and 'reserve'
end

local function load_of(high, normal, low, back_high, back_normal, back_low, suspects, leases, stats, time)
  local call = redis.call
  local first = call('XLEN', high) + call('XLEN', back_high)
  local rest = call('XLEN', normal) + call('XLEN', low) + call('XLEN', back_normal) + call('XLEN', back_low)
  local leased_first, leased_rest = held_leases(leases, stats, time)
  first, rest = first + leased_first, rest + call('XLEN', suspects) + leased_rest
  return first + rest, rest
end

-- is_timed(rule): whether its limits are given as time.
-- in_jobs(rule, rate): a rule whose limits are given as time (`@30000ms,0.8,1000`: hard limit, free share, soft limit),
-- in jobs when `rate` of them end in a second. While nobody knows, at -1, they are those that a declared domain starts
-- with. Every other rule as it is.
-- bounds_now(rule, limits, stats, sources, now): a rule in jobs at the present throughput.

-- @include throughput

local UNTIL_KNOWN_HARD, UNTIL_KNOWN_SOFT, MOST_JOBS = 1200, 1000, 1000000000

local function is_timed(rule)
  return string.byte(rule) == 64 -- @
end

local function worth(limit, rate, unknown)
  local ms = string.match(limit, '^(%d+)ms$')
  if not ms then
    return tonumber(limit)
  end
  return rate < 0 and unknown or math.max(1, math.min(MOST_JOBS, math.floor(rate * ms / 1000 + 1e-6)))
end

local function shown(number)
  return number and string.format('%d', number) or '-'
end

local function in_jobs(rule, rate)
  local hard, free, soft, rest = string.match(rule, '^@([^,]+),([^,]+),([^,]+)(.*)$')
  if not hard then
    return rule
  end
  local most, pressed = worth(hard, rate, UNTIL_KNOWN_HARD), worth(soft, rate, UNTIL_KNOWN_SOFT)
  local share = most and math.max(1, math.floor(most * free + 1e-6))
  pressed = pressed and math.min(pressed, most or pressed)
  return string.format('%s,%s,%s%s', shown(most), shown(share), shown(pressed), rest)
end

local function bounds_now(rule, limits, stats, sources, now)
  return is_timed(rule) and in_jobs(rule, throughput(limits, stats, sources, now)) or rule
end

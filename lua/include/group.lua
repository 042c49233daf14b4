-- GROUP, found(sources), pending_of(stream, most, worker), is_held(stream, entry), any_waits(stream): the consumer
-- group that every source is read by, what is pending there, and whether something is not.
-- It starts at 0, not $: jobs that came before the group (or outlived it, after FLUSHALL) are its too.
-- `found` returns the error that kept it from making the group, if one did.
-- Without the group nothing is pending; any other trouble is raised, for what is taken for nothing gets lost.

local GROUP = 'workers'

local function found(sources)
  for _, stream in ipairs(sources) do
    local made = redis.pcall('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
    if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
      return made
    end
  end
end

local function claims(stream, ...)
  local held = redis.pcall('XPENDING', stream, GROUP, ...)
  if not held.err then
    return held
  elseif string.find(held.err, 'NOGROUP', 1, true) then
    return {}
  end
  error(held)
end

local function pending_of(stream, most, worker)
  return claims(stream, '-', '+', most, worker)
end

local function is_held(stream, entry)
  return #claims(stream, entry, entry, 1) > 0
end

local function any_waits(stream)
  local length = redis.call('XLEN', stream)
  local held = length > 0 and redis.pcall('XPENDING', stream, GROUP)
  return held and (held.err or length > held[1])
end

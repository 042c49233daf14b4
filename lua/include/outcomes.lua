-- outcomes(first, sources): where in ARGV each outcome begins, which sources they touch, which verbs they use.
-- An outcome is its verb, the place of its source, its entry, and what else the verb takes, ARITY values in all;
-- everything is checked here, before anything is written.

-- @include place

local ARITY = { ack = 3, done = 6, retry = 5, snooze = 5, dead = 8, release = 3, cancelled = 7 }

local function outcomes(first, sources)
  local starts, touched, used, i = {}, {}, {}, first
  while i <= #ARGV do
    local verb, size, source = ARGV[i], ARITY[ARGV[i]], tonumber(ARGV[i + 1] or '')
    if not size or i + size - 1 > #ARGV or not sources[source] then
      error('no such outcome: ' .. verb)
    end
    assert(string.find(ARGV[i + 2], '^%d+%-%d+$'), 'no entry id')
    if size == 5 then
      place(ARGV[i + 3], 0)
    elseif size > 5 then
      assert(string.find(ARGV[i + 4], '^%d+$'), 'no milliseconds to keep a record for')
    end
    touched[source], used[verb] = sources[source], true
    starts[#starts + 1] = i
    i = i + size
  end
  return starts, touched, used
end

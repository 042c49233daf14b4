-- outcomes(first, sources): where in ARGV each outcome begins, all of them checked before anything is written.
-- An outcome is its verb, the place of its source, its entry, and what else the verb takes.

-- @include place

local ARITY = { ack = 3, done = 6, retry = 5, snooze = 5, dead = 8, release = 3 }

local function outcomes(first, sources)
  local starts, i = {}, first
  while i <= #ARGV do
    local verb, size = ARGV[i], ARITY[ARGV[i]]
    if not size or i + size - 1 > #ARGV or not sources[tonumber(ARGV[i + 1])] then
      error('no such outcome: ' .. verb)
    end
    assert(string.find(ARGV[i + 2], '^%d+%-%d+$'), 'no entry id')
    if size == 5 then
      place(ARGV[i + 3], 0)
    elseif size > 5 then
      assert(string.find(ARGV[i + 4], '^%d+$'), 'no milliseconds to keep a record for')
    end
    starts[#starts + 1] = i
    i = i + size
  end
  return starts
end

-- outcomes(first, sources): the outcomes in ARGV as runs that end their entries together, which sources they
-- touch and which verbs they use. An outcome is its verb, the place of its source, its entry, and what else the
-- verb takes, ARITY values in all; "acks" is its verb, the place, how many, and so many entries. A run is
-- { source, ids, verbs, at }: its outcomes follow one another and are of one source. Everything is checked here,
-- before anything is written.

-- @include place

local ARITY = { ack = 3, done = 6, dropped = 6, retry = 5, snooze = 5, dead = 8, release = 3, cancelled = 7 }

local function outcomes(first, sources)
  local runs, touched, used, run, i = {}, {}, {}, nil, first
  local function add(source, entry, verb, at)
    if not string.find(entry or '', '^%d+%-%d+$') then
      error('no entry id')
    end
    -- what is released is read before it is deleted, one at a time
    if not run or run.source ~= source or verb == 'release' or run.verbs[1] == 'release' then
      run = { source = source, ids = {}, verbs = {}, at = {} }
      runs[#runs + 1] = run
    end
    local place = #run.ids + 1
    run.ids[place], run.verbs[place], run.at[place] = entry, verb, at
  end

  while i <= #ARGV do
    local verb, source = ARGV[i], tonumber(ARGV[i + 1] or '')
    local many = verb == 'acks' and tonumber(string.match(ARGV[i + 2] or '', '^[1-9]%d*$') or '')
    local size = many and many + 3 or ARITY[verb]
    if not size or i + size - 1 > #ARGV or not sources[source] then
      error('no such outcome: ' .. verb)
    end
    if many then
      for at = i + 3, i + 2 + many do
        add(source, ARGV[at], 'ack', at)
      end
      verb = 'ack'
    else
      if size == 5 then
        place(ARGV[i + 3], 0)
      elseif size > 5 then
        assert(string.find(ARGV[i + 4], '^%d+$'), 'no milliseconds to keep a record for')
      end
      add(source, ARGV[i + 2], verb, i)
    end
    touched[source], used[verb] = sources[source], true
    i = i + size
  end
  return runs, touched, used
end

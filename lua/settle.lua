-- settle: end attempts, each with its side effects or, when it was taken away, with none of them.
-- An entry is always acked and deleted in one step, so a stream's length is its share of load.
--
-- KEYS[1] session    string  this caller's last number and reply
-- KEYS[2] stats      hash    counters of the domain
-- KEYS[3] bell       list    wakes one idle worker
-- KEYS[4] wake       list    wakes who promotes due jobs
-- KEYS[5] scheduled  zset    jobs by due ms
-- KEYS[6] dead       stream  dead letters
-- KEYS[7] results    prefix  results by job id
-- KEYS[8] cancels    zset    ids of marked jobs by when they were marked (ms), no two alike
-- KEYS[9..15] sources stream the domain's streams in pull order
-- KEYS[16] budget    string  what the domain may spend on retries
-- KEYS[17] limits    hash    what bounds the domain
-- KEYS[18] room      list    wakes one caller that waits for room
-- ARGV[1] seq        int     the caller's number for this call
-- ARGV[2] now        int     ms, 0 for the server's clock
-- ARGV[3..] outcomes mixed   "ack" source entry | "acks" source count entry...
--                            | "done", "dropped" source entry id ttl record
--                            | "retry", "snooze" source entry where job
--                            | "dead" source entry id ttl failure job reason | "release" source entry
--                            | "cancelled" source entry id ttl record marked
-- Returns {"settled", fenced...} | {"replayed", fenced...} | {"stale"}
-- Cost    O(outcomes), O(log scheduled) for each retry
-- Flags   allow-oom

-- @include clock
-- @include session
-- @include ring
-- @include sound
-- @include group
-- @include fence
-- @include outcomes
-- @include spending
-- @include effects
-- @include room

local session, stats, bell, wake, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, results, cancels = KEYS[6], KEYS[7], KEYS[8]
local sources, budget, limits, room = { unpack(KEYS, 9, 15) }, KEYS[16], KEYS[17], KEYS[18]
local seq, now = ARGV[1], clock(ARGV[2])

local seen, reply = recall(session, seq)
if seen == 'replayed' then
  local fenced = { 'replayed' }
  for index in string.gmatch(reply, '%d+') do
    fenced[#fenced + 1] = tonumber(index)
  end
  return fenced
elseif seen then
  return { 'stale' }
end

local runs, touched, used = outcomes(3, sources)
sound('HLEN', { stats })
sound('ZCARD', { cancels })
local wanted = wants_room(limits, room, now)
sound('XLEN', touched)
sound('XLEN', used.dead and { dead } or {})
if used.retry or used.snooze or used.release then
  sound('XLEN', sources)
  sound('LLEN', { bell, wake })
  sound('ZCARD', { scheduled })
end

local HOME = { 1, 2, 2, 4, 4, 6, 6 } -- where a released entry goes back to, by source
local to = { results = results, scheduled = scheduled, dead = dead, bell = bell, wake = wake, cancels = cancels }
to.account = spending(used.retry, budget, stats, now)
to.ready = { h = sources[3], n = sources[5], l = sources[7] }
local effect, counted, answer, fenced, index = effects(to, now), {}, { 'settled' }, {}, 0

function to.count(what)
  counted[what] = (counted[what] or 0) + 1
end

for _, run in ipairs(runs) do
  local stream, verbs = sources[run.source], run.verbs
  local kept = verbs[1] == 'release' and redis.call('XRANGE', stream, run.ids[1], run.ids[1])[1]
  local mine = ours(stream, run.ids)
  for place, verb in ipairs(verbs) do
    index = index + 1
    if not mine[place] then
      answer[#answer + 1], fenced[#fenced + 1] = index, index
    else
      to.count(verb)
      if effect[verb] then
        local at = run.at[place]
        effect[verb](unpack(ARGV, at + 3, at + ARITY[verb] - 1))
      elseif kept then
        redis.call('XADD', sources[HOME[run.source]], '*', unpack(kept[2]))
        ring(bell)
      end
    end
  end
end
to.account.keep()
for verb, times in pairs(counted) do
  redis.call('HINCRBY', stats, verb, times)
end
make_room(wanted, room)
remember(session, seq, table.concat(fenced, ' '))
return answer

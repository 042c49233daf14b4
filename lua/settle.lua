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
-- KEYS[8] cancels    zset    ids of marked jobs by the mark's expiry (ms), no two alike
-- KEYS[9] limits     hash    what bounds the domain
-- KEYS[10] room      list    wakes one caller that waits for room
-- KEYS[11..17] sources stream the domain's streams in pull order
-- ARGV[1] seq        int     the caller's number for this call
-- ARGV[2] now        int     ms, 0 for the server's clock
-- ARGV[3..] outcomes mixed   "ack" source entry | "acks" source count entry... | "done" source entry id ttl result
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
-- @include effects
-- @include room

local session, stats, bell, wake, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, results, cancels, limits, room = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local sources = { unpack(KEYS, 11, 17) }
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
if used.dead then
  sound('XLEN', { dead })
end
if used.retry or used.snooze or used.release then
  sound('XLEN', sources)
  sound('LLEN', { bell, wake })
  sound('ZCARD', { scheduled })
end

local HOME = { 1, 2, 2, 4, 4, 6, 6 } -- where a released entry goes back to, by source
local to = { results = results, scheduled = scheduled, dead = dead, bell = bell, wake = wake, cancels = cancels }
to.ready = { h = sources[3], n = sources[5], l = sources[7] }
local effect, counted, answer, fenced = effects(to, now), {}, { 'settled' }, {}

local index = 0
for _, run in ipairs(runs) do
  local stream, verbs = sources[run.source], run.verbs
  local kept = verbs[1] == 'release' and redis.call('XRANGE', stream, run.ids[1], run.ids[1])[1]
  local mine = ours(stream, run.ids)
  for place, verb in ipairs(verbs) do
    index = index + 1
    if not mine[place] then
      answer[#answer + 1], fenced[#fenced + 1] = index, index
    else
      counted[verb] = (counted[verb] or 0) + 1
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
for verb, times in pairs(counted) do
  redis.call('HINCRBY', stats, verb, times)
end
make_room(wanted, room)
remember(session, seq, table.concat(fenced, ' '))
return answer

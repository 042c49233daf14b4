-- amend: change the job of a dead letter, with a note of that; the job's id and why it died stay.
-- The letter becomes a new entry, because its entry id is what fences those who still look at the old one.
--
-- KEYS[1] session  string  this caller's last number and reply
-- KEYS[2] dead     stream  dead letters
-- ARGV[1] seq      int     the caller's number for this call
-- ARGV[2] letter   str     its entry id
-- ARGV[3] job      bytes   the changed job
-- ARGV[4] notes    bytes   what was changed when and by whom, earlier changes included
-- Returns {"amended", letter} | {"absent"} | {"stale"}
-- Cost    O(1)

-- @include session

local session, dead = KEYS[1], KEYS[2]
local seq, letter, job, notes = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local seen, reply = recall(session, seq)
if seen == 'stale' then
  return { 'stale' }
elseif not seen then
  local kept = redis.call('XRANGE', dead, letter, letter)[1]
  reply = ''
  if kept then
    local fields = {}
    for i = 1, #kept[2], 2 do
      if kept[2][i] ~= 'n' then
        fields[#fields + 1], fields[#fields + 2] = kept[2][i], kept[2][i + 1]
      end
    end
    assert(string.sub(fields[2], 5, 20) == string.sub(job, 5, 20), 'the job of another letter')
    fields[2] = job
    fields[#fields + 1], fields[#fields + 2] = 'n', notes
    reply = redis.call('XADD', dead, '*', unpack(fields))
    redis.call('XDEL', dead, letter)
  end
  remember(session, seq, reply)
end
if reply == '' then
  return { 'absent' }
end
return { 'amended', reply }

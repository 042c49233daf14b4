-- taken(sources, source, entry, blame, rule): take a pending entry from whoever holds it, and tell its fate.
-- It is deleted and comes back as a new entry, because the entry id is what fences the old holder.
-- Fields: j job, d deliveries charged, p the priority's letter (of suspects, whose stream has none), o when
-- its last attempt outlived its limit: who pulls it settles that attempt as failed instead of running it.
-- `blame` is "started" (charged a delivery), "overdue", or nil.

-- @include announce
-- @include group

local LETTER = { 'n', 'h', 'h', 'n', 'n', 'l', 'l' }

local function taken(sources, source, entry, blame, rule)
  local stream = sources[source]
  local kept = redis.call('XRANGE', stream, entry, entry)[1]
  redis.call('XACK', stream, GROUP, entry)
  if not kept then
    return 'gone' -- deleted by somebody else while it was held
  end
  redis.call('XDEL', stream, entry)
  local job, field = kept[2][2], { p = LETTER[source] }
  for i = 3, #kept[2], 2 do
    field[kept[2][i]] = kept[2][i + 1]
  end
  local charge = blame == 'started'
  local deliveries = (tonumber(field.d) or 0) + (charge and 1 or 0)
  if charge and deliveries >= rule.charges then
    redis.call('XADD', rule.dead, '*', 'j', job, 'r', 'poison', 'f', rule.failure, 'd', deliveries)
    announce(rule.results .. id_text(job), rule.keep, rule.failure)
    return 'buried'
  end
  local home, fields = sources[source - source % 2], { 'j', job }
  if deliveries > 0 or source == 1 then
    home, fields = sources[1], { 'j', job, 'd', deliveries, 'p', field.p }
  end
  if field.o or blame == 'overdue' then
    fields[#fields + 1], fields[#fields + 2] = 'o', '1'
  end
  redis.call('XADD', home, '*', unpack(fields))
  return charge and 'charged' or blame or 'returned'
end

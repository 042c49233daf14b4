-- ours(stream, ids): end entries that are held; a table that is true at the places of those that were.
-- XACK does not count an entry that was recovered, and what is recovered is deleted; so when some do not count,
-- the others are those that are still there to delete.

-- @include group

local function ours(stream, ids)
  local acked = redis.call('XACK', stream, GROUP, unpack(ids))
  if acked == #ids then
    redis.call('XDEL', stream, unpack(ids))
    return ids
  end
  local mine = {}
  if acked > 0 then -- what was taken away was deleted then
    for place, entry in ipairs(ids) do
      mine[place] = redis.call('XDEL', stream, entry) == 1
    end
  end
  return mine
end

-- oldest: since when the jobs wait that nobody has pulled yet.
--
-- KEYS[1..7] sources stream the domain's streams in pull order
-- Returns {"oldest", moments...}
-- Cost    O(sources)
-- Flags   no-writes

-- @include group

local sources = { unpack(KEYS, 1, 7) }

local moments = {}
for _, stream in ipairs(sources) do
  local groups, seen = redis.pcall('XINFO', 'GROUPS', stream), '-'
  for _, one in ipairs(groups.err and {} or groups) do
    for i = 1, #one, 2 do
      if one[i] == 'last-delivered-id' then
        seen = '(' .. one[i + 1]
      end
    end
  end
  local first = redis.call('XRANGE', stream, seen, '+', 'COUNT', 1)[1]
  if first then
    moments[#moments + 1] = tonumber(first[1]:match('^%d+'))
  end
end
return { 'oldest', unpack(moments) }

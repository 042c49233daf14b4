-- oldest: since when the jobs wait that nobody has pulled yet.
--
-- KEYS[1..7] sources stream the domain's streams in pull order
-- Returns {"oldest", moments...}
-- Cost    O(sources)
-- Flags   no-writes

-- @include unseen

local sources = { unpack(KEYS, 1, 7) }

local moments = {}
for _, stream in ipairs(sources) do
  local first = unseen(stream, 1)[1]
  if first then
    moments[#moments + 1] = tonumber(first[1]:match('^%d+'))
  end
end
return { 'oldest', unpack(moments) }

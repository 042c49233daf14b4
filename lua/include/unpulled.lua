-- unpulled(stream, most): the oldest entries of a stream that its group has not handed out, with their fields.

local function unpulled(stream, most)
  local groups, seen = redis.pcall('XINFO', 'GROUPS', stream), '-'
  for _, one in ipairs(groups.err and {} or groups) do
    for i = 1, #one, 2 do
      if one[i] == 'last-delivered-id' then
        seen = '(' .. one[i + 1]
      end
    end
  end
  return redis.call('XRANGE', stream, seen, '+', 'COUNT', most)
end

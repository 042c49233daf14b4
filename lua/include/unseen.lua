-- unseen(stream, most, behind): the first entries of a stream, `most` of them at most, that nobody has pulled yet, and
-- that come behind an entry id if one is given. Those that were pulled and are still there lie before the group's last
-- one; what is given back is a new entry.

local function is_later(id, other)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  local other_ms, other_number = string.match(other, '^(%d+)-(%d+)$')
  if ms == other_ms then
    return tonumber(number) > tonumber(other_number)
  end
  return tonumber(ms) > tonumber(other_ms)
end

local function unseen(stream, most, behind)
  local groups, after = redis.pcall('XINFO', 'GROUPS', stream), behind or '0-0'
  for _, one in ipairs(groups.err and {} or groups) do
    for i = 1, #one, 2 do
      if one[i] == 'last-delivered-id' and is_later(one[i + 1], after) then
        after = one[i + 1]
      end
    end
  end
  return redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', most)
end

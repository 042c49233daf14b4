-- tell_marks(cancels, entries): add a field m to those of the pulled entries whose jobs are marked as cancelled.
-- As long as nobody cancels what runs there is no such key, and no job is looked at.

local function tell_marks(cancels, entries)
  if redis.call('EXISTS', cancels) == 0 then
    return
  end
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields and redis.call('ZSCORE', cancels, string.sub(fields[2], 5, 20)) then
      fields[#fields + 1], fields[#fields + 2] = 'm', '1'
    end
  end
end

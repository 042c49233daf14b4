-- announce(key, keep, record): keep how a job ended for `keep` ms and tell who waits for it; 0 keeps nothing.
-- id_text(job): the job's id as its result's key spells it, from its fixed place in the blob.

local function announce(key, keep, record)
  if tonumber(keep) > 0 then
    redis.call('SET', key, record, 'PX', keep)
    redis.call('PUBLISH', key, '')
  end
end

local function id_text(job)
  local hex = string.gsub(string.sub(job, 5, 20), '.', function(byte)
    return string.format('%02x', string.byte(byte))
  end)
  return string.gsub(hex, '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-%4-')
end

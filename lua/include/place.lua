-- place(where, now): where a job goes: its priority's first letter, and when it is due if that is later.
-- `where` is a letter (h, n, l), then nothing for now, `+ms` for that much later, or `@ms` for a moment.

local function place(where, now)
  local letter, sign, ms = string.match(where, '^([hnl])([+@]?)(%d*)$')
  if not letter or (sign == '') ~= (ms == '') then
    error('no place is called ' .. where)
  end
  if sign == '' then
    return letter, nil
  end
  local due = tonumber(ms)
  if sign == '+' then
    due = now + due
  end
  if due <= now then
    return letter, nil
  end
  return letter, due
end

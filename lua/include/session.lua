-- recall(session, seq), remember(session, seq, reply): answer a repeated call from its first reply.
-- A caller numbers its calls and has one under way at a time, so its last number and reply suffice:
-- the same number again is a replay, a smaller one is a copy that was overtaken and must do nothing.

local SESSION_TTL_MS = 600000

local function recall(session, seq)
  local last = redis.call('GET', session)
  if not last then
    return nil
  end
  local number = string.match(last, '^%d+')
  local ahead = tonumber(number) - tonumber(seq)
  if ahead < 0 then
    return nil
  elseif ahead > 0 then
    return 'stale'
  end
  return 'replayed', string.sub(last, #number + 2)
end

local function remember(session, seq, reply)
  redis.call('SET', session, seq .. ' ' .. reply, 'PX', SESSION_TTL_MS)
end

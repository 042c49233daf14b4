-- leading(leader, me, term): whether nobody else has begun a term since `me` began this one.
-- A leader whose time is over may still write as long as nobody followed: what it decided is as good as ever.

local function leading(leader, me, term)
  local held = redis.call('HMGET', leader, 'id', 'term')
  return held[1] == me and held[2] == term
end

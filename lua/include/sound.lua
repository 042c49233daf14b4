-- sound(length, keys): fail on a key of another type while nothing has been written; Lua does not roll back.
-- `length` is the command that reads how much such a key holds, the cheapest way to be told.

local function sound(length, keys)
  for _, key in pairs(keys) do
    redis.call(length, key)
  end
end

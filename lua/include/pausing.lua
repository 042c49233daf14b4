-- is_among(letters, letter): whether a priority's letter is among the paused ones, which are false or as "hn".
-- letter_of(entry): the priority's letter of a suspect, which its own stream does not tell.
-- turned(suspects, paused): whether a suspect that is not paused is the next; those before it go to the end. More than
-- MOST_TURNED paused ones hold the others back.

-- @include unseen

local MOST_TURNED = 100

local function is_among(letters, letter)
  return letters and string.find(letters, letter, 1, true) ~= nil
end

local function letter_of(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'p' and string.find(entry[2][i + 1], '^[hnl]$') then
      return entry[2][i + 1]
    end
  end
  return 'n'
end

local function turned(suspects, paused)
  local waiting = unseen(suspects, MOST_TURNED)
  for place, entry in ipairs(waiting) do
    if not is_among(paused, letter_of(entry)) then
      for i = 1, place - 1 do
        redis.call('XADD', suspects, '*', unpack(waiting[i][2]))
        redis.call('XDEL', suspects, waiting[i][1])
      end
      return true
    end
  end
  return false
end

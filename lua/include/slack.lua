-- Slack: room for a few more single jobs of one priority that was found a moment ago, so that not every call has to
-- read all that holds work. Kept as `letter:upto:until:base`: calls are taken unseen until the counter
-- admitted_<letter> is `upto`, or it is later than `until`; the load is `base` + the counter, less what has ended
-- since. Whatever brings work in another way takes the slack away, so it never lets a limit be passed.
-- MOST_SLACK: jobs that are taken unseen at most.
-- slack_for(text, letter): upto, until and base; nil when there is none for this priority.
-- keep_slack(limits, letter, room, count, load, now): keep some, as far as there is room.

local MOST_SLACK, FRESH_MS = 64, 100

local function slack_for(text, letter)
  if text and string.sub(text, 1, 1) == letter then
    local upto, till, base = string.match(text, ':(%d+):(%d+):(%-?%d+)$')
    return tonumber(upto), tonumber(till), tonumber(base)
  end
end

local function keep_slack(limits, letter, room, count, load, now)
  if room >= 1 then
    local upto = count + math.min(room, MOST_SLACK)
    redis.call('HSET', limits, 'slack', string.format('%s:%d:%d:%d', letter, upto, now + FRESH_MS, load - count))
  end
end

-- effects(to, now): what each outcome does once its entry is ours to end. `to` names the keys, the account that
-- retries are paid from, and how to count; an effect is called with what its verb takes. A retry for a moment (`@`)
-- pays but is not put off: its job has a deadline, which the budget must not make it miss.

-- @include announce
-- @include place
-- @include ring

local function effects(to, now)
  local effect = {}

  function effect.done(id, keep, result)
    announce(to.results .. id, keep, result)
  end
  effect.dropped = effect.done

  function effect.snooze(where, job, wait)
    local letter, due = place(where, now)
    if wait then
      due = (due or now) + wait
    end
    if due then
      redis.call('ZADD', to.scheduled, due, letter .. job)
      ring(to.wake)
    else
      redis.call('XADD', to.ready[letter], '*', 'j', job)
      ring(to.bell)
    end
  end

  function effect.retry(where, job)
    local wait = to.account.pay()
    if wait == 0 or string.sub(where, 2, 2) == '@' then
      effect.snooze(where, job)
    else
      effect.snooze(where, job, wait)
      to.count('retry_delayed')
    end
  end

  function effect.dead(id, keep, failure, job, reason)
    redis.call('XADD', to.dead, '*', 'j', job, 'r', reason, 'f', failure)
    announce(to.results .. id, keep, failure)
  end

  return effect
end

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
    due = wait and (due or now) + wait or due
    local marked = due and redis.call('ZSCORE', to.cancels, string.sub(job, 5, 20))
    if due and not marked then -- a cancelled job ends at its next pull, and need not wait for that
      redis.call('ZADD', to.scheduled, due, letter .. job)
      ring(to.wake)
    else
      redis.call('XADD', to.ready[letter], '*', 'j', job)
      ring(to.bell)
    end
  end

  function effect.retry(where, job)
    local wait = to.account.pay()
    local late = wait > 0 and string.sub(where, 2, 2) ~= '@'
    effect.snooze(where, job, late and wait)
    if late then
      to.count('retry_delayed')
    end
  end

  function effect.dead(id, keep, failure, job, reason)
    redis.call('XADD', to.dead, '*', 'j', job, 'r', reason, 'f', failure)
    announce(to.results .. id, keep, failure)
    if reason == 'cancelled' then
      redis.call('ZREM', to.cancels, string.sub(job, 5, 20))
    end
  end

  function effect.cancelled(id, keep, record, marked)
    announce(to.results .. id, keep, record)
    redis.call('ZREM', to.cancels, marked)
  end

  return effect
end

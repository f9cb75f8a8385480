-- SPDX-License-Identifier: Apache-2.0
-- lockd.redis on the server: each run of the script is atomic.
--
--   lock:KEY  the holder, while the lock is held (PX)
--   line:KEY  the wait queue: tickets, in the order of their numbers
--   seen:KEY  when a ticket expires, unless its waiter is seen again
--   token, ticket, changes: the last values, shared by all keys
local verb = ARGV[1]
local lock, line, seen = KEYS[1], KEYS[2], KEYS[3]
local token, tickets, changes = KEYS[4], KEYS[5], KEYS[6]
local SEEN_MS = 2000 -- a waiter expires after this long unseen

local function text(number)
    return string.format('%.0f', number)
end

local function now_us()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- Wake the waiters; whether there are any.
local function wake_waiters()
    if redis.call('EXISTS', line) == 0 then
        return 0
    end
    redis.call('INCR', changes)
    return 1
end

local function remove_waiter(ticket)
    redis.call('ZREM', line, ticket)
    redis.call('HDEL', seen, ticket)
end

-- The first waiter of the queue, and when it expires; removes expired waiters.
local function first_waiter(now)
    while true do
        local front = redis.call('ZRANGE', line, 0, 0)[1]
        if not front then
            return nil
        end
        local counts = tonumber(redis.call('HGET', seen, front) or 0)
        if counts > now then
            return front, counts
        end
        remove_waiter(front)
    end
end

-- Greater than every earlier token, including those that a crash lost, as long
-- as the clock does not go back.
local function next_token(us)
    local next = tonumber(redis.call('GET', token) or 0) + 1
    if next < us then
        next = us
    end
    redis.call('SET', token, text(next))
    return text(next)
end

local function enqueue(ticket, now)
    if ticket == '0' or not redis.call('ZSCORE', line, ticket) then
        ticket = text(redis.call('INCR', tickets))
        redis.call('ZADD', line, ticket, ticket)
    end
    redis.call('HSET', seen, ticket, text(now + SEEN_MS))
    redis.call('PEXPIRE', line, 4 * SEEN_MS)
    redis.call('PEXPIRE', seen, 4 * SEEN_MS)
    return ticket
end

-- {1, token, holder}, or {0, ms until it may be free, ticket}
local function acquire(holder, ttl, ticket, may_wait)
    local us = now_us()
    local now = math.floor(us / 1000)
    local left = redis.call('PTTL', lock)
    if left == -2 then -- not held
        local front, counts = first_waiter(now)
        if not front or front == ticket then
            if front then
                remove_waiter(ticket)
            end
            local granted = next_token(us)
            redis.call('SET', lock, holder, 'PX', ttl)
            return {1, granted, holder}
        end
        left = counts - now
    end
    if may_wait == '0' then
        remove_waiter(ticket)
        return {0, 0, '0'}
    end
    return {0, math.max(left, 0), enqueue(ticket, now)}
end

if verb == 'acquire' then
    return acquire(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
elseif verb == 'renew' then
    if redis.call('GET', lock) ~= ARGV[2] then
        return {0}
    end
    if redis.call('PTTL', lock) < tonumber(ARGV[3]) then
        redis.call('PEXPIRE', lock, ARGV[3])
    end
    return {1}
elseif verb == 'release' then
    if redis.call('GET', lock) ~= ARGV[2] then
        return {0}
    end
    redis.call('DEL', lock)
    return {1, wake_waiters()}
elseif verb == 'is-locked' then
    return {redis.call('EXISTS', lock)}
elseif verb == 'leave' then
    remove_waiter(ARGV[2])
    return wake_waiters()
end
return redis.error_reply('ERR no such verb')

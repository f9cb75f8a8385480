-- SPDX-License-Identifier: Apache-2.0
-- mq.redis on the server: each run of the script is atomic.
--
-- Except when the server is killed while it writes a run to its append-only
-- file: the part that was written stays and is applied at the next start
-- (aof-load-truncated). So each run writes in an order of which every prefix
-- is safe: a number is never used twice, a message is added to the log after
-- all its other entries, and is added to its new set before it is removed from
-- the old one.
--
--   log      a stream: the messages, whose ids are numbers in the order sent
--   ready    a sorted set: the messages that can be received, by number
--   delayed  a sorted set: the delayed messages, by due time
--   flight   a sorted set: the received messages, by the end of their
--            visibility
--   count    a hash: how often each was delivered
--   order    a sorted set: GROUP NUL NUMBER of all that have a group.  Of a
--            group only the first is ready, delayed or in flight
--   later    a hash: until when what is not the first of its group is delayed
--   dead     a stream: the dead letters
--   seq      the last number: microseconds of the server's clock, or the one
--            before plus one
--   id:ID    the message of a deduplication id, for a while
local verb = ARGV[1]
local log, ready, delayed, flight = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local count, order, later = KEYS[5], KEYS[6], KEYS[7]
local dead, seq = KEYS[8], KEYS[9]
local DUE_MAX = 1000  -- made ready in one run
local BURY_MAX = 1000 -- dead-lettered in one run

local function text(number)
    return string.format('%.0f', number)
end

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A script that has written is not refused for lack of memory: consumers must
-- not be blocked by senders.
local function hold_room()
    redis.call('ZREM', ready, '')
end

-- --- Groups ----------------------------------------------------------------

local function in_order(group, id)
    return group .. '\0' .. string.format('%016.0f', tonumber(id))
end

local function is_there(id)
    return #redis.call('XRANGE', log, id .. '-0', id .. '-0') > 0
end

-- The number of the first message of a group from here on; removes entries
-- whose message is not in the log.
local function first_from(group, from)
    while true do
        local found = redis.call('ZRANGEBYLEX', order, from,
                                 '(' .. group .. '\1', 'LIMIT', 0, 1)[1]
        local id = found and text(tonumber(string.sub(found, #group + 2)))
        if not id or is_there(id) then
            return id
        end
        redis.call('ZREM', order, found)
    end
end

local function first_of(group)
    return first_from(group, '[' .. group .. '\0')
end

-- Make it ready, or delay it.
local function make_ready(id, at, now)
    if at > now then
        redis.call('ZADD', delayed, text(at), id)
    else
        redis.call('ZADD', ready, id, id)
    end
end

-- The first message of a group is about to be removed: the next one becomes
-- ready.
local function unblock(group, id, now)
    local following = first_from(group, '(' .. in_order(group, id))
    if following then
        local at = redis.call('HGET', later, following) or 0
        make_ready(following, tonumber(at), now)
        redis.call('HDEL', later, following)
    end
    redis.call('ZREM', order, in_order(group, id))
    return following
end

-- --- Messages --------------------------------------------------------------

-- Greater than every earlier number, including those that a crash lost, as
-- long as the clock does not go back.
local function next_number()
    local time = redis.call('TIME')
    local us = time[1] * 1000000 + time[2]
    local next = math.max(us, tonumber(redis.call('GET', seq) or 0) + 1)
    redis.call('SET', seq, text(next))
    return text(next)
end

-- Add a message that is delayed until `at`; returns its number.
local function add_message(payload, attributes, group, sent, at, now)
    local id = next_number()
    local blocked = group ~= '' and first_of(group)
    local fields = {'t', sent, 'a', attributes, 'p', payload}
    if group ~= '' then
        fields[7], fields[8] = 'g', group
    end
    if group ~= '' then
        redis.call('ZADD', order, 0, in_order(group, id))
    end
    if not blocked then
        make_ready(id, at, now)
    elseif at > 0 then
        redis.call('HSET', later, id, text(at))
    end
    redis.call('XADD', log, id .. '-0', unpack(fields))
    return id
end

local function send(payload, attributes, group, delay, keep)
    local duplicate = KEYS[10]
    if duplicate then
        local before = redis.call('GET', duplicate)
        if before then
            return before
        end
    end
    local now = now_ms()
    local at = delay ~= '0' and now + tonumber(delay) or 0
    local id = add_message(payload, attributes, group, text(now), at, now)
    -- Last: a failing script is not rolled back.
    if duplicate then
        redis.call('SET', duplicate, id, 'PX', keep)
    end
    return id
end

-- The fields of a message, or nil.
local function look_up(id)
    local found = redis.call('XRANGE', log, id .. '-0', id .. '-0')[1]
    if not found then
        return nil
    end
    local fields = {}
    for i = 1, #found[2], 2 do
        fields[found[2][i]] = found[2][i + 1]
    end
    return fields
end

-- Remove a message, from `set` as well.
local function remove_message(id, group, now, set)
    local following = group ~= '' and unblock(group, id, now)
    redis.call('XDEL', log, id .. '-0')
    redis.call('HDEL', count, id)
    redis.call('ZREM', set, id)
    return following
end

-- Move a message to the dead letters.
local function dead_letter(id, fields, reason, now, set)
    local deliveries = redis.call('HGET', count, id) or 0
    redis.call('XADD', dead, '*', 'id', id, 'reason', reason, 'deliveries',
               deliveries, 'sent', fields.t, 'group',
               fields.g or '', 'attributes', fields.a, 'payload', fields.p)
    return remove_message(id, fields.g or '', now, set)
end

-- --- Receiving -------------------------------------------------------------

-- Make due messages ready.
local function show_due(set, now)
    local due = redis.call('ZRANGEBYSCORE', set, '-inf', text(now), 'LIMIT', 0,
                           DUE_MAX)
    for _, id in ipairs(due) do
        redis.call('ZADD', ready, id, id)
        redis.call('ZREM', set, id)
    end
end

-- When the first message of a set is due, or nil.
local function next_due(set)
    return tonumber(redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
end

-- Milliseconds until the next message is due; -1: none will be.
local function until_due(now)
    local one, other = next_due(delayed), next_due(flight)
    if one and other then
        one = math.min(one, other)
    end
    one = one or other
    return one and math.max(one - now, 0) or -1
end

-- {ms until the next is due, or -2: not finished, {}, buried}, or {1: there
-- may be more, {{number, delivery, sent, group, attributes, payload}...},
-- buried}; buried: {number, deliveries}... of new dead letters.
local function receive(limit, visibility, deliveries_max, bytes_max)
    local now = now_ms()
    local out, bytes, full, buried = {}, 0, false, {}
    show_due(delayed, now)
    show_due(flight, now)
    while #out < limit and not full and #buried < BURY_MAX do
        local ids = redis.call('ZRANGE', ready, 0, limit - #out - 1)
        if #ids == 0 then
            break
        end
        for _, id in ipairs(ids) do
            local fields = look_up(id)
            local before = tonumber(redis.call('HGET', count, id) or 0)
            if not fields then -- deleted by another client
                redis.call('ZREM', ready, id)
            elseif deliveries_max > 0 and before >= deliveries_max then
                dead_letter(id, fields, 'max-deliveries', now, ready)
                buried[#buried + 1] = {id, before}
            else
                bytes = bytes + #fields.p
                if #out > 0 and bytes > bytes_max then
                    full = true
                    break
                end
                redis.call('HSET', count, id, before + 1)
                redis.call('ZADD', flight, text(now + visibility), id)
                redis.call('ZREM', ready, id)
                out[#out + 1] = {id, before + 1, fields.t, fields.g or '',
                                 fields.a, fields.p}
            end
        end
    end
    if #out > 0 then
        return {(full or #out == limit) and 1 or 0, out, buried}
    end
    return {#buried < BURY_MAX and until_due(now) or -2, out, buried}
end

-- --- Settling --------------------------------------------------------------

-- {0}: no longer leased to this receiver; {1}: done; {2}: done, and others may
-- be ready.
local function settle(id, delivery, group, argument)
    local now = now_ms()
    local ends = tonumber(redis.call('ZSCORE', flight, id) or 0)
    if ends <= now or redis.call('HGET', count, id) ~= delivery then
        return {0}
    end
    if verb == 'extend' then
        redis.call('ZADD', flight, text(now + tonumber(argument)), id)
        return {1}
    end
    if verb == 'abandon' then
        make_ready(id, now + tonumber(argument), now)
        redis.call('ZREM', flight, id)
        return {2}
    end
    local fields = verb == 'dead-letter' and look_up(id)
    if fields then
        return {dead_letter(id, fields, argument, now, flight) and 2 or 1}
    end
    return {remove_message(id, group, now, flight) and 2 or 1}
end

-- --- Dead letters, for operators -------------------------------------------

local function fields_of(entry)
    local fields = {}
    for i = 1, #entry[2], 2 do
        fields[entry[2][i]] = entry[2][i + 1]
    end
    return fields
end

-- {place, number, deliveries, sent, group, attributes, payload, reason}...,
-- starting after `after`.
local function dead_list(after, limit, bytes_max)
    local out, bytes = {}, 0
    while #out < limit do
        local entry = redis.call('XRANGE', dead, '(' .. after, '+', 'COUNT',
                                 1)[1]
        if not entry then
            break
        end
        local fields = fields_of(entry)
        bytes = bytes + #fields.payload
        if #out > 0 and bytes > bytes_max then
            break
        end
        out[#out + 1] = {entry[1], fields.id, tonumber(fields.deliveries),
                         fields.sent, fields.group, fields.attributes,
                         fields.payload, fields.reason}
        after = entry[1]
    end
    return {#out, out}
end

-- Send a dead letter again; returns its new number, or '' if it does not
-- exist.
local function replay(place)
    local entry = redis.call('XRANGE', dead, place, place)[1]
    if not entry then
        return ''
    end
    hold_room()
    local fields = fields_of(entry)
    local id = add_message(fields.payload, fields.attributes, fields.group,
                   fields.sent, 0, now_ms())
    redis.call('XDEL', dead, place)
    return id
end

if verb == 'send' then
    return {send(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])}
elseif verb == 'receive' then
    hold_room()
    return receive(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
                   tonumber(ARGV[5]))
elseif verb == 'depth' then
    return {redis.call('XLEN', log)}
elseif verb == 'peek' then -- whether a receive would find a message
    return (redis.call('EXISTS', ready) == 1 or until_due(now_ms()) == 0) and 1
        or 0
elseif verb == 'dead-list' then
    return dead_list(ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
elseif verb == 'dead-replay' then
    return {replay(ARGV[2])}
elseif verb == 'dead-drop' then
    return {redis.call('XDEL', dead, ARGV[2])}
end
hold_room()
return settle(ARGV[2], ARGV[3], ARGV[4], ARGV[5])

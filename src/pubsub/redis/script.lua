-- SPDX-License-Identifier: Apache-2.0
-- pubsub.redis on the server: each run of the script is atomic, except when
-- the server is killed while it writes a run to its append-only file (see
-- script.lua of mq.redis): so an event is added to its new set before it is
-- removed from the old one.
--
--   topic:T    a stream: the events, by the server's time
--   changes    a counter that wakes waiting members
--   topics     a sorted set: the keys of the topics, by the end of the
--              retention of their last events
--   groups:T   a sorted set: the keys of the groups of a topic
-- and for each group, with its name after the topic's:
--   group:     a hash: position, the last event that the group has looked at
--   members:   a sorted set: the members, by the end of their lease
--   state:     a hash: COUNT:HASH of each event up to the position that is not
--              acknowledged; how often it was delivered, and the hash of its
--              key, if it has one
--   keys:      a sorted set: HASH:ID of those that have a key.  Of a key only
--              the first is ready, hidden or owned
--   ready:     a sorted set: ids of those that can be received
--   hidden:    a sorted set: ids of delayed events, by due time
--   owned:     a sorted set: MEMBER:ID of those that were received
local verb = ARGV[1]
local topic, changes, topics = KEYS[1], KEYS[2], KEYS[3]
local group, members, states, keys = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local ready, hidden, owned = KEYS[8], KEYS[9], KEYS[10]
local groups = KEYS[11]
-- Events that one run looks at without delivering them: blocked by their key,
-- or past their retention.
local LOOK_AHEAD = 1000
local DUE_MAX = 1000    -- made ready in one run
local OVER_MAX = 100    -- topics that are forgotten in one run
local AT_ONCE = 16      -- events that are read at once

local function text(number)
    return string.format('%.0f', number)
end

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- An id of the stream, padded so that ids sort as texts.
local function padded(id)
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    return string.format('%015.0f-%010.0f', tonumber(ms), tonumber(seq))
end

-- The members of a set that begin with prefix and a colon, without both.
local function with_prefix(set, prefix, ...)
    local found = redis.call('ZRANGEBYLEX', set, '[' .. prefix .. ':',
                             '(' .. prefix .. ';', ...)
    for i, item in ipairs(found) do
        found[i] = string.sub(item, #prefix + 2)
    end
    return found
end

-- --- Topics -----------------------------------------------------------------

-- Whether the topic exists or may be created. This writes first: a script
-- whose first write is refused for lack of memory has done nothing.
local function keep_topic(retention, most)
    local now, score = now_ms(), redis.call('ZSCORE', topics, topic)
    if score and tonumber(score) >= now + retention then
        return true
    end
    local other = redis.call('ZRANGE', topics, -most, -most, 'WITHSCORES')[2]
    if not score and other and tonumber(other) >= now then
        return false
    end
    -- A little longer, so that not every event writes it.
    redis.call('ZADD', topics, text(now + retention * 1.1 + 1), topic)
    local over = redis.call('ZRANGEBYSCORE', topics, '-inf', text(now), 'LIMIT',
                            0, OVER_MAX)
    for _, name in ipairs(over) do
        redis.call('ZREM', topics, name)
    end
    return true
end

-- --- Publishing ------------------------------------------------------------

local function trim(retention, length_max)
    redis.call('XTRIM', topic, 'MINID', '~',
               text(math.max(now_ms() - retention, 0)))
    if length_max > 0 then
        redis.call('XTRIM', topic, 'MAXLEN', '~', text(length_max))
    end
end

-- key: nil without a key.
local function publish(payload, attributes, retention, length_max, most, key)
    if not keep_topic(tonumber(retention), tonumber(most)) then
        return {-2}
    end
    if key then
        redis.call('XADD', topic, '*', 'a', attributes, 'p', payload, 'k', key)
    else
        redis.call('XADD', topic, '*', 'a', attributes, 'p', payload)
    end
    trim(tonumber(retention), tonumber(length_max))
    redis.call('PEXPIRE', topic, retention)
    redis.call('INCR', changes)
    return {1}
end

-- --- Members ---------------------------------------------------------------

local function may_add_group(most_groups)
    return redis.call('ZSCORE', groups, group) or
        not redis.call('ZRANGE', groups, most_groups - 1, most_groups - 1)[1]
end

local function subscribe(member, lease, retention, earliest, most, most_groups)
    trim(tonumber(retention), 0)
    if not keep_topic(tonumber(retention), tonumber(most)) then
        return {-2}
    end
    if redis.call('HEXISTS', group, 'position') == 0 then
        if not may_add_group(tonumber(most_groups)) then
            return {-3}
        end
        redis.call('ZADD', groups, 0, group)
        local last = redis.call('XREVRANGE', topic, '+', '-', 'COUNT', 1)[1]
        redis.call('HSET', group, 'position',
                   (earliest == '0' and last) and last[1] or '0-0')
    end
    redis.call('ZADD', members, text(now_ms() + tonumber(lease)), member)
    redis.call('INCR', changes)
    return {1}
end

-- Its events become ready again.
local function remove_member(member)
    local had = with_prefix(owned, member)
    for _, id in ipairs(had) do
        redis.call('ZADD', ready, 0, id)
        redis.call('ZREM', owned, member .. ':' .. id)
    end
    redis.call('ZREM', members, member)
    if #had > 0 then
        redis.call('INCR', changes)
    end
    return #had > 0 and 2 or 1
end

local function lives(member, now)
    return tonumber(redis.call('ZSCORE', members, member) or 0) > now
end

-- --- Settling --------------------------------------------------------------

-- The event was acknowledged, or is past its retention: the next one of its
-- key becomes ready.
local function remove_delivery(id, hash)
    local shown = 1
    if hash ~= '' then
        local first, second =
            unpack(with_prefix(keys, hash, 'LIMIT', 0, 2))
        local following = first == id and second or first ~= id and first
        if following then
            redis.call('ZADD', ready, 0, following)
            redis.call('INCR', changes)
            shown = 2
        end
        redis.call('ZREM', keys, hash .. ':' .. id)
    end
    redis.call('HDEL', states, id)
    return shown
end

local function state_of(id)
    local state = redis.call('HGET', states, id)
    if not state then
        return 0, ''
    end
    local count, hash = string.match(state, '^(%d+):(.*)$')
    return tonumber(count), hash
end

-- {0}: no longer leased to this member; {2}: done, and others may be ready.
local function settle(member, id, delivery, delay, now)
    local mine = member .. ':' .. id
    local count, hash = state_of(id)
    if text(count) ~= delivery or not redis.call('ZSCORE', owned, mine) then
        return {0}
    end
    local shown = 2
    if verb == 'acknowledge' then
        shown = remove_delivery(id, hash)
    elseif delay == '0' then
        redis.call('ZADD', ready, 0, id)
    else
        redis.call('ZADD', hidden, text(now + tonumber(delay)), id)
    end
    redis.call('ZREM', owned, mine)
    if verb ~= 'acknowledge' then
        redis.call('INCR', changes)
    end
    return {shown}
end

-- --- Receiving -------------------------------------------------------------

-- The events of the answer, up to its limits.
local out, bytes, limit, bytes_max = {}, 0, 0, 0
local full = false
local looked = 0

-- The padded id and the fields of an entry of the stream.
local function read(entry)
    local fields = {}
    for i = 1, #entry[2], 2 do
        fields[entry[2][i]] = entry[2][i + 1]
    end
    return padded(entry[1]), fields
end

-- Adds {id, delivery, has a key, key, attributes, payload}; false: the answer
-- is full.
local function deliver(member, id, fields, count, hash)
    if #out > 0 and bytes + #fields.p > bytes_max then
        full = true
        return false
    end
    bytes = bytes + #fields.p
    redis.call('ZADD', owned, 0, member .. ':' .. id)
    redis.call('HSET', states, id, count .. ':' .. hash)
    out[#out + 1] = {id, count, fields.k and 1 or 0, fields.k or '', fields.a,
                     fields.p}
    return true
end

local function take_ready(member)
    while #out < limit and not full and looked < LOOK_AHEAD do
        local ids = redis.call('ZRANGE', ready, 0, limit - #out - 1)
        if #ids == 0 then
            return
        end
        for _, id in ipairs(ids) do
            local entry = redis.call('XRANGE', topic, id, id)[1]
            local count, hash = state_of(id)
            if not entry then -- past its retention
                remove_delivery(id, hash)
                redis.call('ZREM', ready, id)
                looked = looked + 1
            else
                local _, fields = read(entry)
                if not deliver(member, id, fields, count + 1, hash) then
                    return
                end
                redis.call('ZREM', ready, id)
            end
        end
    end
end

local function take_one(member, id, fields)
    if redis.call('HEXISTS', states, id) == 1 then -- taken before
        return true
    end
    local hash = fields.k and redis.sha1hex(fields.k) or ''
    if hash == '' then
        return deliver(member, id, fields, 1, '')
    end
    if #with_prefix(keys, hash, 'LIMIT', 0, 1) > 0 then -- blocked
        redis.call('HSET', states, id, '0:' .. hash)
    elseif not deliver(member, id, fields, 1, hash) then
        return false
    end
    redis.call('ZADD', keys, 0, hash .. ':' .. id)
    return true
end

-- Take events after the group's position; whether it has reached the end.
local function take_new(member)
    local before = redis.call('HGET', group, 'position') or '0-0'
    local position, all = before, false
    while #out < limit and not full and looked < LOOK_AHEAD and not all do
        local most = math.min(limit - #out, AT_ONCE)
        local entries = redis.call('XRANGE', topic, '(' .. position, '+',
                                   'COUNT', most)
        all = #entries < most
        for _, entry in ipairs(entries) do
            local id, fields = read(entry)
            if not take_one(member, id, fields) then
                break
            end
            position = entry[1]
            looked = looked + 1
        end
    end
    if position ~= before then
        redis.call('HSET', group, 'position', position)
    end
    return all
end

local function show_due(now)
    local due = redis.call('ZRANGEBYSCORE', hidden, '-inf', text(now), 'LIMIT',
                           0, DUE_MAX)
    for _, id in ipairs(due) do
        redis.call('ZADD', ready, 0, id)
        redis.call('ZREM', hidden, id)
    end
end

local function first_score(set)
    return tonumber(redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
end

-- {ms until an event may become ready, or 0: not finished, {}}, or {1: there
-- may be more, {event...}}
local function receive(member, now)
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf',
                                     text(now))) do
        remove_member(dead)
    end
    show_due(now)
    take_ready(member)
    if full or #out == limit then
        return {1, out}
    end
    local all = take_new(member)
    if #out > 0 then
        return {(full or #out == limit or not all) and 1 or 0, out}
    end
    local shown = first_score(hidden) or math.huge
    local death = first_score(members) or math.huge
    local wait = math.min(shown, death, now + 1000) - now
    return {all and math.max(wait, 1) or 0, out}
end

if verb == 'publish' then
    return publish(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
elseif verb == 'subscribe' then
    return subscribe(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6],
                     ARGV[7])
elseif verb == 'leave' then
    return {remove_member(ARGV[2])}
end
-- A script that has written is not refused for lack of memory: consumers must
-- not be blocked by publishers.
redis.call('ZREM', ready, '')
local now = now_ms()
if not lives(ARGV[2], now) then
    return {-1}
elseif verb == 'renew' then
    redis.call('ZADD', members, text(now + tonumber(ARGV[3])), ARGV[2])
    return {1}
elseif verb == 'receive' then
    limit, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
    return receive(ARGV[2], now)
end
return settle(ARGV[2], ARGV[3], ARGV[4], ARGV[5], now)

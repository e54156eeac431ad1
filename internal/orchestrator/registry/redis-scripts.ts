// The registry's Lua. Each script is atomic, touches a bounded number of fields and takes every key it touches as an
// argument. Times are milliseconds of Redis' own clock: pods send durations.
import { defineScript } from '../redis/redis-script.ts';

const nowMs = `
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
`;

/** Appends a change; its number is the first word of its value. Returns the value. */
const announce = `
local function announce(meta, changes, cap, seat, kind, id, rest)
  local value = redis.call('HINCRBY', meta, 'changes', 1) .. ' ' .. rest
  local last = redis.call('XADD', changes, 'MAXLEN', '~', cap, '*', 'seat', seat, 'kind', kind, 'id', id, 'value', value)
  redis.call('HSET', meta, 'last', last)
  return value
end
`;

/** Renews a lease, or takes a new one, and tells of all leases. */
const beat = defineScript(
  'beat',
  `
-- KEYS[1] leases
-- KEYS[2] seats
-- KEYS[3] writes
-- KEYS[4] meta
-- KEYS[5] changes
-- ARGV    seat, record of the pod, lease in ms, take (1 or 0), changes kept
-- returns {held or lapsed, now, number of changes, newest write of the seat, seat, ms left, record, seat, ...}
${nowMs}${announce}
local seat, record, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()
local pulse = tonumber(redis.call('HGET', KEYS[4], 'pulse')) or now
-- Nobody could renew for so long that Redis was away, or its clock jumped: who had a lease then gets time to renew it.
if now < pulse or now - pulse > lease / 2 then
  local leases = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for i = 1, #leases, 2 do
    redis.call('ZADD', KEYS[1], tonumber(leases[i + 1]) >= pulse and now + lease or 0, leases[i])
  end
end
redis.call('HSET', KEYS[4], 'pulse', text(now))

local ends = tonumber(redis.call('ZSCORE', KEYS[1], seat)) or 0
local state = (ARGV[4] == '1' or ends > now) and 'held' or 'lapsed'
if state == 'held' then
  redis.call('ZADD', KEYS[1], now + lease, seat)
  if redis.call('HGET', KEYS[2], seat) ~= record then
    redis.call('HSET', KEYS[2], seat, record)
    announce(KEYS[4], KEYS[5], ARGV[5], seat, 'seat', '', record)
  end
end

local answer = {state, now, tonumber(redis.call('HGET', KEYS[4], 'changes')) or 0,
  tonumber(redis.call('HGET', KEYS[3], seat)) or 0}
local leases = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #leases, 2 do
  answer[#answer + 1] = leases[i]
  answer[#answer + 1] = tonumber(leases[i + 1]) - now
  answer[#answer + 1] = redis.call('HGET', KEYS[2], leases[i]) or ''
end
return answer
`,
);

/** Registers a connection, or tells its change. One that is overtaken is ranked just behind its rival. */
const publish = defineScript(
  'publish',
  `
-- KEYS[1] leases
-- KEYS[2] writes
-- KEYS[3] meta
-- KEYS[4] newest
-- KEYS[5] held
-- KEYS[6] changes
-- ARGV    seat, number of the write, changes kept, connection, agent, instance, connect seq (20 digits),
--         age in ms, epoch (0 for a new one), record
-- returns {lapsed}, or {held, epoch}, or {held, epoch, epoch, seat, instance and seq of the newer connection}
${nowMs}${announce}
local seat, connection, agent, instance, seq = ARGV[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
if not redis.call('ZSCORE', KEYS[1], seat) then return {'lapsed'} end
local t = redis.call('TIME')
local micros = t[1] * 1000000 + t[2]
local welcomed = math.floor(micros / 1000) - tonumber(ARGV[8])
local epoch = tonumber(ARGV[9])

local newest = redis.call('HGET', KEYS[4], agent)
local rival
if newest then
  local id, r_seat, r_epoch, r_welcomed, r_seq, r_instance = newest:match('^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  if id and id ~= connection then
    r_epoch = tonumber(r_epoch)
    local newer
    if epoch > 0 then newer = r_epoch > epoch
    elseif r_instance == instance then newer = r_seq > seq
    else newer = tonumber(r_welcomed) > welcomed end
    if newer then rival = {r_epoch, r_seat, r_instance, r_seq} end
  end
end

local stored = tonumber(redis.call('HGET', KEYS[3], 'epoch')) or 0
if epoch == 0 then epoch = rival and rival[1] - 1 or math.max(stored + 1, micros) end
redis.call('HSET', KEYS[3], 'epoch', text(math.max(stored, epoch)))
local ranks = text(epoch) .. ' ' .. text(welcomed)
if not rival then
  redis.call('HSET', KEYS[4], agent, connection .. ' ' .. seat .. ' ' .. ranks .. ' ' .. seq .. ' ' .. instance)
end
local value = announce(KEYS[3], KEYS[6], ARGV[3], seat, 'put', connection, ranks .. ' ' .. agent .. ' ' .. ARGV[10])
redis.call('HSET', KEYS[5], connection, value)
redis.call('HSET', KEYS[2], seat, ARGV[2])
if rival then return {'held', epoch, rival[1], rival[2], rival[3], rival[4]} end
return {'held', epoch}
`,
);

/** Takes back a connection. */
const withdraw = defineScript(
  'withdraw',
  `
-- KEYS[1] leases
-- KEYS[2] writes
-- KEYS[3] meta
-- KEYS[4] newest
-- KEYS[5] held
-- KEYS[6] changes
-- ARGV    seat, number of the write, changes kept, connection, agent
-- returns {lapsed} or {held}
${announce}
local seat, connection, agent = ARGV[1], ARGV[4], ARGV[5]
if not redis.call('ZSCORE', KEYS[1], seat) then return {'lapsed'} end
if redis.call('HDEL', KEYS[5], connection) == 1 then
  announce(KEYS[3], KEYS[6], ARGV[3], seat, 'drop', connection, '')
end
local newest = redis.call('HGET', KEYS[4], agent)
if newest and newest:match('^%S+') == connection then redis.call('HDEL', KEYS[4], agent) end
redis.call('HSET', KEYS[2], seat, ARGV[2])
return {'held'}
`,
);

/** Ends a lease; what it held is for reap. */
const leave = defineScript(
  'leave',
  `
-- KEYS[1] leases
-- KEYS[2] meta
-- KEYS[3] changes
-- ARGV    seat, changes kept
-- returns nothing
${announce}
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
announce(KEYS[2], KEYS[3], ARGV[2], ARGV[1], 'left', '', '')
`,
);

/** Deletes some of what a seat held whose lease is over, and the seat after the last. */
const reap = defineScript(
  'reap',
  `
-- KEYS[1] leases
-- KEYS[2] seats
-- KEYS[3] writes
-- KEYS[4] newest
-- KEYS[5] held
-- ARGV    seat, fields at most
-- returns how many fields are left
${nowMs}
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1])) or 0
if ends > now_ms() then return 0 end
local fields = redis.call('HRANDFIELD', KEYS[5], ARGV[2], 'WITHVALUES')
for i = 1, #fields, 2 do
  local connection, agent = fields[i], fields[i + 1]:match('^%S+ %S+ %S+ (%S+)')
  local newest = agent and redis.call('HGET', KEYS[4], agent)
  if newest and newest:match('^%S+') == connection then redis.call('HDEL', KEYS[4], agent) end
  redis.call('HDEL', KEYS[5], connection)
end
local left = redis.call('HLEN', KEYS[5])
if left == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[3], ARGV[1])
end
return left
`,
);

/** Where the stream of changes stands. */
const position = defineScript(
  'position',
  `
-- KEYS[1] meta
-- returns {number of changes, stream id of the last}
local meta = redis.call('HMGET', KEYS[1], 'changes', 'last')
return {tonumber(meta[1]) or 0, meta[2] or '0-0'}
`,
);

/** A part of what a seat holds. */
const page = defineScript(
  'page',
  `
-- KEYS[1] held
-- ARGV    cursor, fields
-- returns {next cursor, connection, value, connection, ...}; the cursor is 0 after the last part
local answer = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local out = {answer[1]}
for i = 1, #answer[2] do out[i + 1] = answer[2][i] end
return out
`,
);

/** One field of a hash. */
const field = defineScript(
  'field',
  `
-- KEYS[1] hash
-- ARGV    field
-- returns its value
return redis.call('HGET', KEYS[1], ARGV[1])
`,
);

export const scripts = { beat, publish, withdraw, leave, reap, position, page, field } as const;

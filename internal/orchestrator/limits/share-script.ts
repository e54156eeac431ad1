// The one script of the shared limits. Fractions of 1, so that it need not know what is limited.
import { defineScript, type RedisScript } from '../redis/redis-script.ts';

/**
 * A pod keeps what it said it uses until it says that it uses less: an answer that got lost takes nothing from the sum.
 * Pods that ask for nothing have the floor without asking, which is kept free for them.
 */
export const shareScript: RedisScript = defineScript(
  'limit-shares',
  `
-- Divides limits among the pods that use them.
-- KEYS[...] a hash per limit: pod -> "held demand expires", held a fraction of the limit, expires in ms
-- ARGV[1] this pod
-- ARGV[2] how many pods there are
-- ARGV[3] the fraction that every pod has without asking
-- ARGV[4] the lease in ms
-- ARGV[5...] for each limit, in the order of the keys: the fraction in use, and the demand
-- returns the fraction of each limit for this pod, as text
local pod, pods, floor, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local grants = {}
for i, key in ipairs(KEYS) do
  local using, demand = tonumber(ARGV[3 + 2 * i]), tonumber(ARGV[4 + 2 * i])
  local taken, wanted, holders = 0, demand, 0
  local fields = redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local held, theirs, expires = string.match(fields[f + 1], '^(%S+) (%S+) (%S+)$')
    if tonumber(expires) <= now then
      redis.call('HDEL', key, fields[f])
    elseif fields[f] ~= pod then
      taken, wanted, holders = taken + tonumber(held), wanted + tonumber(theirs), holders + 1
    end
  end
  local idle = math.max(0, pods - 1 - holders)
  local fair = floor
  if wanted > 0 then fair = floor + (1 - floor * pods) * demand / wanted end
  local grant = math.max(floor, math.min(fair, 1 - taken - floor * idle))
  redis.call('HSET', key, pod, string.format('%.6f %.3f %d', math.max(using, grant), demand, now + lease))
  redis.call('PEXPIRE', key, lease)
  grants[i] = string.format('%.6f', grant)
end
return grants
`.trim(),
);

#!lua flags=allow-oom
-- Leases ready jobs: tenants in turn, each at most its batch; within a tenant by priority, then age.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {podId, limit, leaseMs, settings}
-- returns the job and the first chunk of its spec, in turn
promoteDue()
local claimed = {}
for _ = 1, ask.limit + ask.maxSwept do
  if #claimed >= 2 * ask.limit then break end
  local tenant = redis.call('ZRANGE', key('turns'), 0, 0)[1]
  if not tenant then break end
  local member = redis.call('ZRANGE', key('ready', tenant), 0, 0)[1]
  local job = member and loadMember(member)
  if not job then
    redis.call('ZREM', key('turns'), tenant)
    redis.call('HDEL', key('left'), tenant)
  elseif job.expiresAt <= now then
    expire(job)
  else
    leave(job)
    enter(job, 'LEASED')
    job.epoch = job.epoch + 1
    job.owner = ask.podId
    setAlarm(job, 'lease', now + ask.leaseMs)
    save(job)
    if redis.call('HINCRBY', key('left'), tenant, -1) <= 0 then
      redis.call('ZADD', key('turns'), nextOf('turn'), tenant)
      redis.call('HSET', key('left'), tenant, ask.tenantBatch)
    end
    table.insert(claimed, cjson.encode(job))
    table.insert(claimed, redis.call('GET', key('bytes', refOf(job), 'spec', 0)) or '')
  end
end
return claimed

#!lua
-- Inserts a job, unless its id or its idempotency key is known, in one step.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, job, delayMs, keyTtlMs, specChunks, specTtlMs, settings}
-- ARGV[3] the first chunk of the spec  ARGV[4] the callback, or nothing
-- returns {kind, job} | {kind: conflict, jobId} | {kind: queue-full, open}
local job = ask.job
local known = load(job.tenant, job.jobId)
if known then return outcome('same', known) end
if job.key ~= cjson.null then
  local holderId = redis.call('GET', key('key', job.tenant, job.key))
  local holder = holderId and load(job.tenant, holderId)
  if holder and holder.keyUntil > now then
    if holder.fingerprint == job.fingerprint then return outcome('same', holder) end
    return cjson.encode({ kind = 'conflict', jobId = holder.jobId })
  end
end
if isFull() then return cjson.encode({ kind = 'queue-full', open = counted('open', ask.tenant) }) end
if job.key ~= cjson.null then
  redis.call('SET', key('key', job.tenant, job.key), job.jobId)
  job.keyUntil = now + ask.keyTtlMs
end
job.createdAt = now
job.readyAt = now + ask.delayMs
job.expiresAt = now + job.queueMs
begin(job)
redis.call('SET', key('bytes', refOf(job), 'spec', 0), ARGV[3], 'PX', ask.specTtlMs)
for i = 1, ask.specChunks - 1 do redis.call('PEXPIRE', key('bytes', refOf(job), 'spec', i), ask.specTtlMs) end
if ARGV[4] ~= '' then redis.call('SET', key('bytes', refOf(job), 'callback'), ARGV[4], 'PX', ask.specTtlMs) end
return outcome('created', job)

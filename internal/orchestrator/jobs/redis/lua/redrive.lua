#!lua
-- A new job of the same spec for one that ended without success; each knows the other.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId, newJobId, specTtlMs, settings}
-- returns {kind, job} | {kind: not-found | not-redrivable} | {kind: queue-full, open}
local old = load(ask.tenant, ask.jobId)
if not old then return cjson.encode({ kind = 'not-found' }) end
if not hasEnded[old.state] or old.state == 'SUCCEEDED' then return cjson.encode({ kind = 'not-redrivable' }) end
local known = load(ask.tenant, old.redrivenAs ~= '' and old.redrivenAs or ask.newJobId)
if known then return outcome('same', known) end
if isFull() then return cjson.encode({ kind = 'queue-full', open = counted('open', ask.tenant) }) end
local job = ask.blank
for _, field in ipairs({ 'about', 'labels', 'priority', 'idempotent', 'maxAttempts', 'queueMs', 'resultTtlMs', 'keepMs', 'specChunks' }) do
  job[field] = old[field]
end
job.createdAt, job.readyAt, job.expiresAt = now, now, now + job.queueMs
job.redriveOf = old.jobId
local parts = {}
if old.callback ~= cjson.null then
  job.callback = { state = 'PENDING', tries = 0, dueAt = cjson.null, last = '' }
  table.insert(parts, 'callback')
end
for i = 0, job.specChunks - 1 do table.insert(parts, 'spec:' .. i) end
begin(job)
for _, part in ipairs(parts) do
  redis.call('COPY', key('bytes', refOf(old), part), key('bytes', refOf(job), part), 'REPLACE')
  redis.call('PEXPIRE', key('bytes', refOf(job), part), job.queueMs + job.keepMs + ask.graceMs)
end
old.redrivenAs = job.jobId
save(old)
return outcome('created', job)

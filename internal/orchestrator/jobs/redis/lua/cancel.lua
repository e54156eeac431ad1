#!lua flags=allow-oom
-- Ends an open job.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId}
-- returns {kind, job} | {kind: not-found}
local job = load(ask.tenant, ask.jobId)
if not job then return cjson.encode({ kind = 'not-found' }) end
if hasEnded[job.state] then return outcome('ended', job) end
if isSent[job.state] then abandon(job, 'CANCELLED', '') end
endJob(job, 'CANCELLED', { code = 'CANCELLED', detail = '', execution = 'NOT_STARTED' }, 0)
return outcome('cancelled', job)

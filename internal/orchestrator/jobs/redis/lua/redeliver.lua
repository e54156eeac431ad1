#!lua flags=allow-oom
-- Begins the deliveries of an ended job anew.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId}
-- returns the callback's state; nil when there is none or the job has not ended
local job = load(ask.tenant, ask.jobId)
if not job or job.callback == cjson.null or not hasEnded[job.state] then return false end
deliver(job)
save(job)
return cjson.encode(job.callback)

#!lua flags=allow-oom
-- The write-ahead mark of an attempt.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, exitId}
-- returns ok | lost
local job = leased()
if not job or not isAtAttempt(job) then return 'lost' end
if isSent[job.state] then return 'ok' end
if job.state ~= 'LEASED' then return 'lost' end
enter(job, 'DISPATCHED')
job.attempt = job.attempt + 1
job.exitId = ask.exitId
job.sentAt = now
job.failure = cjson.null
markTold(job)
save(job)
return 'ok'

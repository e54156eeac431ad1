#!lua flags=allow-oom
-- The agent has begun the attempt.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease}
-- returns ok | lost
local job = leased()
if not job or not isSent[job.state] or not isAtAttempt(job) then return 'lost' end
if job.state == 'RUNNING' then return 'ok' end
enter(job, 'RUNNING')
happened(job)
save(job)
return 'ok'

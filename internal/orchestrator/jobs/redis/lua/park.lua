#!lua flags=allow-oom
-- Aside until its target has an exit.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, target, maxParked}
-- returns ok | lost | full
local job = leased()
if not job then return 'lost' end
if job.state == 'QUEUED' then return 'ok' end
if job.state ~= 'LEASED' or not isAtAttempt(job) then return 'lost' end
if counted('targets', ask.target) >= ask.maxParkedPerTarget then return 'full' end
leave(job)
enter(job, 'QUEUED')
job.parkedUnder = ask.target
setAlarm(job, 'expiry', job.expiresAt)
redis.call('ZADD', key('parked', ask.target), 0, memberOf(job))
count('targets', ask.target, 1)
waitFor('exit', job)
save(job)
return 'ok'

#!lua flags=allow-oom
-- Back to the queue, unsent.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, delayMs, settings}
-- returns ok | lost
local job = leased()
if not job then return 'lost' end
if job.state == 'QUEUED' then return 'ok' end
if not isAtAttempt(job) then return 'lost' end
if job.state == 'LEASED' then
  backToQueue(job, 'QUEUED', now + ask.delayMs)
elseif job.state == 'DISPATCHED' then
  job.attempt = job.attempt - 1
  backToQueue(job, 'QUEUED', now + ask.delayMs)
  markTold(job)
  job.takenBack = job.takenBack + 1
else
  return 'lost'
end
save(job)
return 'ok'

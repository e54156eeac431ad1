#!lua flags=allow-oom
-- Ends a failed attempt; another follows when it may.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, delayMs, attempt, settings}
-- returns ok | ended | lost
local job = leased()
if not job then return 'lost' end
if isSent[job.state] and isAtAttempt(job) then
  attemptEnded(job, ask.attempt)
  return again(job, ask.attempt.failure, now + ask.delayMs, job.epoch) == 'retried' and 'ok' or 'ended'
end
if job.state == 'RETRY_WAIT' and isAtAttempt(job) then return 'ok' end
return job.endedBy == job.epoch and 'ended' or 'lost'

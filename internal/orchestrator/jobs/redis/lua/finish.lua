#!lua flags=allow-oom
-- Ends a job as its holder says; says the same again when that holder has ended it so.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, state, failure, attempt, bodyBytes, chunks, graceMs}
-- ARGV[3] status and headers of the answer, or nothing
-- returns ok | lost
local job = leased()
if not job then return 'lost' end
if job.endedBy == job.epoch and job.state == ask.state then return 'ok' end
local holds = isSent[job.state] or (job.state == 'LEASED' and ask.state ~= 'SUCCEEDED')
if not holds or not isAtAttempt(job) then return 'lost' end
if ask.attempt ~= cjson.null then attemptEnded(job, ask.attempt) end
if ask.state == 'SUCCEEDED' then
  job.result = { bodyBytes = ask.bodyBytes, chunks = ask.chunks, availableUntil = now + job.resultTtlMs }
  redis.call('SET', key('bytes', refOf(job), 'meta'), ARGV[3], 'PX', job.resultTtlMs + ask.graceMs)
end
endJob(job, ask.state, ask.failure, job.epoch)
return 'ok'

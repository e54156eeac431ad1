#!lua flags=allow-oom
-- What came of a delivery, unless a later one was begun.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId, fence, kind, note, delayMs}
-- returns ok | lost
local job = load(ask.tenant, ask.jobId)
if not job or job.callback == cjson.null or job.callback.state ~= 'PENDING' or job.fence ~= ask.fence then
  return 'lost'
end
local dueAt = ask.kind == 'again' and now + ask.delayMs or nil
local states = { again = 'PENDING', delivered = 'DELIVERED', ['gave-up'] = 'GAVE_UP' }
job.callback = { state = states[ask.kind], tries = job.callback.tries, dueAt = dueAt or cjson.null, last = ask.note }
setAlarm(job, 'delivery', dueAt)
save(job)
return 'ok'

#!lua flags=allow-oom
-- What came of a delivery, unless a later one was begun.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId, fence, kind, note or nothing, delayMs or nothing}
-- returns ok | lost
local job = load(ask.tenant, ask.jobId)
if not job or job.callback == cjson.null or job.callback.state ~= 'PENDING' or job.fence ~= ask.fence then
  return 'lost'
end
local dueAt = ask.delayMs and now + ask.delayMs or nil
local states = { again = 'PENDING', postponed = 'PENDING', delivered = 'DELIVERED', ['gave-up'] = 'GAVE_UP' }
local tries = job.callback.tries
if ask.kind == 'postponed' then
  tries = tries - 1
  -- Said twice, it is taken back once.
  job.fence = job.fence + 1
end
local last = ask.note or job.callback.last
job.callback = { state = states[ask.kind], tries = tries, dueAt = dueAt or cjson.null, last = last }
setAlarm(job, 'delivery', dueAt)
save(job)
return 'ok'

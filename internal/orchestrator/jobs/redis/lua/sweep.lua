#!lua flags=allow-oom
-- Ends what is overdue, a bounded number of each kind.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {settings}
-- returns {requeued, retried, unknown, dead, expired, deleted, more}
local swept = { requeued = 0, retried = 0, unknown = 0, dead = 0, expired = 0, deleted = 0, more = false }
local function each(alarm, handle)
  local jobs = due(alarm, ask.maxSwept)
  if #jobs == ask.maxSwept then swept.more = true end
  for _, job in ipairs(jobs) do
    local counter = handle(job)
    if counter then swept[counter] = swept[counter] + 1 end
  end
end
each('lease', function(job)
  if job.state == 'LEASED' then
    backToQueue(job, 'QUEUED', now)
    save(job)
    return 'requeued'
  end
  return again(job, abandon(job, 'INTERNAL', 'The pod that ran the job was lost.'), now, 0)
end)
each('expiry', function(job)
  expire(job)
  return 'expired'
end)
each('ready', promote)
each('result', function(job)
  job.result = cjson.null
  setAlarm(job, 'result', nil)
  redis.call('UNLINK', key('bytes', refOf(job), 'meta'))
  save(job)
end)
each('removal', function(job)
  local ref = refOf(job)
  setAlarm(job, 'removal', nil)
  setAlarm(job, 'result', nil)
  setAlarm(job, 'delivery', nil)
  count('states', stateField(job), -1)
  redis.call('ZREM', key('list', job.tenant), job.jobId)
  if job.key ~= cjson.null and redis.call('GET', key('key', job.tenant, job.key)) == job.jobId then
    redis.call('DEL', key('key', job.tenant, job.key))
  end
  redis.call('UNLINK', key('job', ref), key('events', ref), key('bytes', ref, 'callback'), key('bytes', ref, 'meta'))
  for i = 0, job.specChunks - 1 do redis.call('UNLINK', key('bytes', ref, 'spec', i)) end
  return 'deleted'
end)
return cjson.encode(swept)

#!lua flags=allow-oom
-- Takes deliveries that are due; each is due again after the lease.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {limit, leaseMs}
-- returns the job and its callback, in turn
local claimed = {}
for _, job in ipairs(due('delivery', ask.limit)) do
  job.fence = job.fence + 1
  job.callback.tries = job.callback.tries + 1
  job.callback.dueAt = now + ask.leaseMs
  setAlarm(job, 'delivery', job.callback.dueAt)
  save(job)
  table.insert(claimed, cjson.encode(job))
  table.insert(claimed, redis.call('GET', key('bytes', refOf(job), 'callback')) or '')
end
return claimed

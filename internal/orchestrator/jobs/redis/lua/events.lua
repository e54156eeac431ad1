#!lua flags=no-writes
-- The events of a job after a sequence.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId, after, limit}
-- returns them in order; nil when there is no such job
local ref = ask.tenant .. '/' .. ask.jobId
if redis.call('EXISTS', key('job', ref)) == 0 then return false end
return redis.call('LRANGE', key('events', ref), ask.after, ask.after + ask.limit - 1)

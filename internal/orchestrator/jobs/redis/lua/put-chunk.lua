#!lua
-- Keeps one piece of an answer's body; it goes by itself when the answer's time is over.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {lease, index, graceMs}  ARGV[3] the piece
-- returns ok | lost
local job = leased()
if not job or not isSent[job.state] or not isAtAttempt(job) then return 'lost' end
local name = key('bytes', refOf(job), 'body', job.epoch, ask.index)
redis.call('SET', name, ARGV[3], 'PX', job.resultTtlMs + ask.graceMs)
return 'ok'

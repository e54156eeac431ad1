#!lua flags=no-writes
-- A part of an answer, as long as it is kept: the meta, or a piece of the body.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, jobId, index}; index -1 for the meta
-- returns the bytes, the length of the body and its pieces; nil when there is none
local job = load(ask.tenant, ask.jobId)
if not job or job.result == cjson.null or job.result.availableUntil <= now then return false end
local part = ask.index < 0 and 'meta' or 'body:' .. job.epoch .. ':' .. ask.index
local bytes = redis.call('GET', key('bytes', refOf(job), part))
if not bytes then return false end
return { bytes, job.result.bodyBytes, job.result.chunks }

#!lua flags=allow-oom
-- How long the oldest job waits, by what for and by priority. What a pod of a version that knows of no such order moved on
-- is taken out of it, a bounded number at a time.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {maxPriority, settings}
-- returns what for, the priority and the milliseconds, in turn
local looks = ask.maxSwept
local function stillWaits(job, reason, since)
  if not job or job.readyAt ~= since then return false end
  if reason == 'exit' then return job.parkedUnder ~= '' end
  return job.ready or job.alarms.ready ~= nil
end
local function waited(reason, priority)
  local name = key('waiting', reason, priority)
  while looks > 0 do
    looks = looks - 1
    local first = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
    local member, since = first[1], tonumber(first[2])
    if not member then return nil end
    if stillWaits(loadMember(member), reason, since) then return now - since end
    redis.call('ZREM', name, member)
  end
end
local rows = {}
for _, reason in ipairs({ 'claim', 'exit' }) do
  for priority = 0, ask.maxPriority do
    local ms = waited(reason, priority)
    if ms then
      for _, cell in ipairs({ reason, priority, ms }) do table.insert(rows, cell) end
    end
  end
end
return rows

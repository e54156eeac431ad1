#!lua flags=allow-oom
-- Makes parked jobs of a target ready, the oldest first.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {target, limit, settings}
-- returns how many
local members = redis.call('ZRANGE', key('parked', ask.target), 0, ask.limit - 1)
for _, member in ipairs(members) do
  local job = loadMember(member)
  clearParked(job)
  waitFor('claim', job)
  makeReady(job)
  save(job)
end
return #members

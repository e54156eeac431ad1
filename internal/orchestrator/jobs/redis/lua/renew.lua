#!lua flags=allow-oom
-- Prolongs leases that are still held.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {leases, leaseMs}
-- returns the places, from 1, of those that are not
local lost = {}
for i, lease in ipairs(ask.leases) do
  ask.lease = lease
  local job = leased()
  if job and (job.state == 'LEASED' or isSent[job.state]) and isAtAttempt(job) then
    setAlarm(job, 'lease', now + ask.leaseMs)
    save(job)
  else
    table.insert(lost, i)
  end
end
return lost

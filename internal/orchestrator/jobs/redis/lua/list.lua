#!lua flags=no-writes
-- A page of a tenant's jobs, newest first, of those below the cursor that pass the filter.
-- KEYS[1] the partition's tag
-- ARGV[1] the time, or nothing  ARGV[2] {tenant, states, label, from, before, limit, cursor, maxScanned}
-- returns the next cursor, then the jobs
local wanted
if ask.states then
  wanted = {}
  for _, state in ipairs(ask.states) do wanted[state] = true end
end
local function matches(job)
  if wanted and not wanted[job.state] then return false end
  if ask.before and job.createdAt >= ask.before then return false end
  return not ask.label or job.labels[ask.label.name] == ask.label.value
end
local ids = redis.call('ZREVRANGEBYSCORE', key('list', ask.tenant), ask.cursor, '-inf', 'LIMIT', 0, ask.maxScanned)
local page = { '' }
for i, jobId in ipairs(ids) do
  local job = load(ask.tenant, jobId)
  if ask.from and job.createdAt < ask.from then break end
  if matches(job) then table.insert(page, cjson.encode(job)) end
  if #page > ask.limit or i >= ask.maxScanned then
    page[1] = string.format('%d', job.order)
    break
  end
end
return page

-- The rules of a job's life, as in ledger/life.ts: in front of every script that changes jobs. All keys of a partition
-- carry its hash tag, which is KEYS[1]; what each of them holds stands in keys.ts.
local tag, ask = KEYS[1], cjson.decode(ARGV[2])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function key(...)
  return tag .. ':' .. table.concat({ ... }, ':')
end

local function refOf(job)
  return job.tenant .. '/' .. job.jobId
end

-- Sorts by age where scores are equal, and names the job.
local function memberOf(job)
  return string.format('%015d', job.order) .. ':' .. refOf(job)
end

local function loadRef(ref)
  local text = redis.call('GET', key('job', ref))
  return text and cjson.decode(text)
end

local function load(tenant, jobId)
  return loadRef(tenant .. '/' .. jobId)
end

local function loadMember(member)
  return loadRef(string.sub(member, 17))
end

local function save(job)
  redis.call('SET', key('job', refOf(job)), cjson.encode(job))
end

local function nextOf(sequence)
  return redis.call('HINCRBY', key('sequences'), sequence, 1)
end

local function count(counter, field, n)
  if redis.call('HINCRBY', key(counter), field, n) == 0 then redis.call('HDEL', key(counter), field) end
end

local function counted(counter, field)
  return tonumber(redis.call('HGET', key(counter), field) or 0)
end

local function setAlarm(job, name, at)
  if at then redis.call('ZADD', key('alarm', name), at, memberOf(job))
  elseif job.alarms[name] then redis.call('ZREM', key('alarm', name), memberOf(job)) end
  job.alarms[name] = at
end

local function due(name, limit)
  local members = redis.call('ZRANGEBYSCORE', key('alarm', name), '-inf', now, 'LIMIT', 0, limit)
  local jobs = {}
  for i, member in ipairs(members) do jobs[i] = loadMember(member) end
  return jobs
end

local hasEnded =
  { SUCCEEDED = true, FAILED = true, CANCELLED = true, EXPIRED = true, DEAD = true, OUTCOME_UNKNOWN = true }
local isSent = { DISPATCHED = true, RUNNING = true }

local function tellOf(job)
  local event = { sequence = job.sequence, at = now, state = job.state }
  event.attempt, event.exitId, event.failure = job.attempt, job.exitId, job.failure
  redis.call('RPUSH', key('events', refOf(job)), cjson.encode(event))
  redis.call('XADD', key('changes'), 'MAXLEN', '~', ask.maxChanges, '*', 'ref', refOf(job), 'state', job.state)
end

local function happened(job)
  job.sequence = job.sequence + 1
  tellOf(job)
end

local function markTold(job)
  if job.takenBack < ask.maxTakenBackTold then happened(job) end
end

local function makeReady(job)
  job.ready = true
  redis.call('ZADD', key('ready', job.tenant), 9 - job.priority, memberOf(job))
  if redis.call('ZSCORE', key('turns'), job.tenant) then return end
  redis.call('ZADD', key('turns'), nextOf('turn'), job.tenant)
  redis.call('HSET', key('left'), job.tenant, ask.tenantBatch)
end

local function waitFor(reason, job)
  redis.call('ZADD', key('waiting', reason, job.priority), job.readyAt, memberOf(job))
end

local function waitNoMoreFor(reason, job)
  redis.call('ZREM', key('waiting', reason, job.priority), memberOf(job))
end

local function waitUntil(job, readyAt)
  job.readyAt = readyAt
  waitFor('claim', job)
  setAlarm(job, 'expiry', job.expiresAt)
  if readyAt > now then setAlarm(job, 'ready', readyAt) else makeReady(job) end
end

local function promote(job)
  setAlarm(job, 'ready', nil)
  makeReady(job)
  save(job)
end

local function promoteDue()
  for _, job in ipairs(due('ready', ask.maxSwept)) do promote(job) end
end

local function clearParked(job)
  redis.call('ZREM', key('parked', job.parkedUnder), memberOf(job))
  count('targets', job.parkedUnder, -1)
  waitNoMoreFor('exit', job)
  job.parkedUnder = ''
end

local function leave(job)
  if job.ready or job.alarms.ready then waitNoMoreFor('claim', job) end
  if job.ready then redis.call('ZREM', key('ready', job.tenant), memberOf(job)) end
  job.ready = false
  setAlarm(job, 'ready', nil)
  setAlarm(job, 'expiry', nil)
  setAlarm(job, 'lease', nil)
  if job.parkedUnder ~= '' then clearParked(job) end
end

local function stateField(job)
  return job.state .. '/' .. job.priority
end

local function enter(job, state)
  count('states', stateField(job), -1)
  job.state = state
  count('states', stateField(job), 1)
end

local function backToQueue(job, state, readyAt)
  leave(job)
  enter(job, state)
  waitUntil(job, readyAt)
end

local function attemptEnded(job, attempt)
  table.insert(job.attempts, attempt)
end

-- The attempt under way, given up: it was marked as sent, so it may have been.
local function abandon(job, code, detail)
  local failure = { code = code, detail = detail, execution = 'POSSIBLE' }
  local durationMs = math.max(0, now - job.sentAt)
  attemptEnded(job, { attempt = job.attempt, exitId = job.exitId, failure = failure, durationMs = durationMs })
  return failure
end

-- The failure of a job: an attempt before the last may have got further than that one did.
local function ofAllAttempts(last, attempts)
  if last == cjson.null then return last end
  local order, furthest = { NOT_STARTED = 1, POSSIBLE = 2, DONE = 3 }, last.execution
  for _, attempt in ipairs(attempts) do
    local execution = attempt.failure == cjson.null and 'DONE' or attempt.failure.execution
    if order[execution] > order[furthest] then furthest = execution end
  end
  return { code = last.code, detail = last.detail, execution = furthest }
end

local function deliver(job)
  job.callback = { state = 'PENDING', tries = 0, dueAt = now, last = '' }
  setAlarm(job, 'delivery', now)
end

local function endJob(job, state, failure, by)
  leave(job)
  enter(job, state)
  job.endedBy = by
  job.endedAt = now
  job.failure = ofAllAttempts(failure, job.attempts)
  setAlarm(job, 'removal', math.max(now + job.keepMs, job.keyUntil))
  if job.result ~= cjson.null then setAlarm(job, 'result', job.result.availableUntil) end
  if job.callback ~= cjson.null then deliver(job) end
  count('open', job.tenant, -1)
  happened(job)
  save(job)
end

local function expire(job)
  endJob(job, 'EXPIRED', { code = 'EXPIRED_IN_QUEUE', detail = '', execution = 'NOT_STARTED' }, 0)
end

-- Another attempt, unless none is left or what may have been sent must not be sent twice.
local function again(job, failure, readyAt, by)
  if failure.execution ~= 'NOT_STARTED' and not job.idempotent then
    local unknown = { code = 'OUTCOME_UNKNOWN', detail = failure.detail, execution = 'POSSIBLE' }
    endJob(job, 'OUTCOME_UNKNOWN', unknown, by)
    return 'unknown'
  end
  if job.attempt >= job.maxAttempts then
    endJob(job, 'DEAD', failure, by)
    return 'dead'
  end
  job.failure = failure
  backToQueue(job, 'RETRY_WAIT', readyAt)
  happened(job)
  save(job)
  return 'retried'
end

-- The job of ask.lease, when it was not claimed since.
local function leased()
  local job = load(ask.lease.tenant, ask.lease.jobId)
  return job and job.epoch == ask.lease.epoch and job or nil
end

-- Whether the lease is the one for the attempt that the job is at.
local function isAtAttempt(job)
  local attempt = job.attempt
  if job.state == 'LEASED' then attempt = attempt + 1 end
  return attempt == ask.lease.attempt
end

local function isFull()
  return counted('open', ask.tenant) >= ask.maxOpenPerTenant
end

local function begin(job)
  job.order = nextOf('job')
  count('open', job.tenant, 1)
  count('states', stateField(job), 1)
  redis.call('ZADD', key('list', job.tenant), job.order, job.jobId)
  waitUntil(job, job.readyAt)
  job.sequence = 1
  save(job)
  tellOf(job)
end

local function outcome(kind, job)
  return cjson.encode({ kind = kind, job = job })
end

// A process that works on the job store in the file of its first argument as fast as it goes, and writes a line for all
// that was acknowledged: to be killed at any moment. The second argument begins its job ids.
import { openSqliteJobStore } from '../../internal/orchestrator/jobs/sqlite/sqlite-store.ts';
import { bytes, job, succeed } from '../../internal/orchestrator/jobs/suite/subject.ts';

const [path = '', prefix = ''] = process.argv.slice(2);
const store = await openSqliteJobStore({ path, now: Date.now });
const say = (what: string, jobIds: readonly string[]) => process.stdout.write(`${JSON.stringify({ what, jobIds })}\n`);

async function runClaimed(): Promise<void> {
  const claimed = await store.claim({ podId: prefix, limit: 20, leaseMs: 60_000 });
  const ids = claimed.map(({ job: { jobId } }) => jobId);
  await Promise.all(claimed.map(({ lease }) => store.dispatched(lease, 'key/a/direct')));
  say('marked', ids);
  await Promise.all(claimed.map(({ lease }) => store.putChunk(lease, 0, bytes(lease.jobId))));
  await Promise.all(claimed.map(({ lease }) => succeed(store, lease, [lease.jobId])));
  say('finished', ids);
}

async function submit(round: number): Promise<void> {
  const jobIds = Array.from({ length: 50 }, (_, i) => `${prefix}-${round}-${i}`);
  await Promise.all(jobIds.map((jobId) => store.submit(job({ jobId, idempotent: false }))));
  say('submitted', jobIds);
}

for (let round = 0; ; round++) await Promise.all([submit(round), runClaimed()]);

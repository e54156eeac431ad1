// The job store in a file, in a process that is killed with SIGKILL while it writes: what was acknowledged is there
// afterwards, and nothing that was marked as sent can be sent again.
import { expect } from '@jest/globals';
import type { JobStore } from '../../internal/orchestrator/jobs/job-store.ts';
import { openSqliteJobStore } from '../../internal/orchestrator/jobs/sqlite/sqlite-store.ts';
import { ref } from '../../internal/orchestrator/jobs/suite/subject.ts';
import { Program } from '../harness/process.ts';
import { story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';

const rounds = 4;

function told({ logs }: Program, what: string): string[] {
  return logs.filter((line) => line.what === what).flatMap(({ jobIds }) => jobIds as string[]);
}

/** Writes, and is killed in the middle of it. */
async function writer(path: string, round: number): Promise<Program> {
  const args = ['tests/harness/job-writer-main.ts', path, `r${round}`];
  const program = new Program({ name: `writer:${round}`, args });
  await until('it has finished jobs', () => told(program, 'finished').length > 100 + 37 * round);
  await program.kill();
  return program;
}

async function states(store: JobStore, jobIds: readonly string[]): Promise<Set<string>> {
  const records = await Promise.all(jobIds.map((jobId) => store.get(ref(jobId))));
  return new Set(records.map((record) => record?.state ?? 'lost'));
}

story('killed while it writes, it keeps what it acknowledged', async (use) => {
  const dir = use(await TempDir.make());
  const path = dir.file('jobs.sqlite');
  const submitted: string[] = [];
  const marked: string[] = [];
  const finished: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const program = await writer(path, round);
    submitted.push(...told(program, 'submitted'));
    marked.push(...told(program, 'marked'));
    finished.push(...told(program, 'finished'));
  }
  // Later than every lease, so that what the dead held is taken from them.
  const store = use(await openSqliteJobStore({ path, now: () => Date.now() + 600_000 }));
  while ((await store.sweep()).more);
  expect(await states(store, submitted)).not.toContain('lost');
  expect(await states(store, finished)).toEqual(new Set(['SUCCEEDED']));
  const ended = await states(store, marked);
  expect([...ended].filter((state) => state !== 'SUCCEEDED' && state !== 'OUTCOME_UNKNOWN')).toEqual([]);
  for (const jobId of finished.slice(-50)) {
    expect(Buffer.from((await store.resultChunk(ref(jobId), 0)) ?? []).toString()).toBe(jobId);
  }
});

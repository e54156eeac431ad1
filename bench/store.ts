// What the store of durable jobs costs: beside the bare scripts, by the length of the queue, until a watcher hears, and in
// sqlite.
import { openSqliteJobStore } from '../internal/orchestrator/jobs/sqlite/sqlite-store.ts';
import { TempDir } from '../tests/harness/temp.ts';
import { inLab, type Say, type Use } from './lab.ts';
import { load } from './load.ts';
import { newJob } from './queue-lab.ts';
import { byLengthOfQueue } from './store-queue.ts';
import { besideBareScripts } from './store-scripts.ts';
import { watched } from './store-watch.ts';

const submits = 10_000;
const inFlight = 256;
const submitsAlone = 200;

export async function benchStore(say: Say): Promise<unknown> {
  return {
    scripts: await inLab((use) => besideBareScripts(use, say)),
    queue: await inLab((use) => byLengthOfQueue(use, say)),
    watch: await inLab((use) => watched(use, say)),
    sqlite: await inLab((use) => intoSqlite(use, say)),
  };
}

async function intoSqlite(use: Use, say: Say) {
  const dir = use(await TempDir.make());
  const store = use(await openSqliteJobStore({ path: dir.file('jobs.sqlite'), now: Date.now }));
  let made = 0;
  const submit = async () => void (await store.submit(newJob(`job-${made++}`)));
  const perSecond = async (count: number, atOnce: number) => {
    const begin = performance.now();
    await load(submit, count, atOnce);
    return Math.round((count * 1_000) / (performance.now() - begin));
  };
  await perSecond(submits / 10, inFlight);
  const batched = await perSecond(submits, inFlight);
  const alone = await perSecond(submitsAlone, 1);
  say(`sqlite, each submit on the disk before its answer: ${batched}/s with ${inFlight} in flight, ${alone}/s alone`);
  return { batched, alone };
}

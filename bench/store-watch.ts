// How soon a watcher hears of a change when a thousand watch, each its own job, through a real pod over a real Redis.
import { JobService } from '../gen/resproxy/v1/job_pb.ts';
import { Fleet } from '../tests/harness/fleet.ts';
import { GrpcCaller } from '../tests/harness/grpc-caller.ts';
import { percentile } from './figures.ts';
import type { Say, Use } from './lab.ts';

const watchers = 1_000;
const watchersPerConnection = 50;
const changesPerSecond = 100;

/** Each job has a watcher and is cancelled in its turn; the time of the change is that of Redis, on this machine. */
export async function watched(use: Use, say: Say) {
  const fleet = use(await Fleet.start({ pods: ['pod-a'] }));
  const { grpc, ports } = fleet.pod('pod-a');
  const { submitJob, watchJob, cancelJob } = JobService.method;
  const callers = Array.from({ length: watchers / watchersPerConnection }, () =>
    use(new GrpcCaller(ports.grpc, fleet.access.token)),
  );
  const [heardMs, watches, jobIds]: [number[], Promise<void>[], string[]] = [[], [], []];
  let began = 0;
  for (let i = 0; i < watchers; i++) {
    const { job } = await grpc.call(submitJob, { request: { url: 'http://127.0.0.1:9/' } });
    const jobId = job?.jobId ?? '';
    jobIds.push(jobId);
    const watch = async () => {
      for await (const { time, cursor } of callers[i % callers.length]?.stream(watchJob, { jobId }) ?? []) {
        const atMs = Number(time?.seconds) * 1_000 + (time?.nanos ?? 0) / 1e6;
        if (cursor === '1') began++;
        else heardMs.push(performance.timeOrigin + performance.now() - atMs);
      }
    };
    watches.push(watch());
  }
  while (began < watchers) await new Promise((resolve) => setTimeout(resolve, 50));
  const cancels = jobIds.values();
  await paced(async () => void (await grpc.call(cancelJob, { jobId: cancels.next().value ?? '' })));
  await Promise.all(watches);
  const sorted = heardMs.sort((a, b) => a - b);
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) => Math.round(percentile(sorted, share) * 10) / 10);
  say(`${watchers} watchers, ${changesPerSecond} changes a second: from the change to its watcher, ms`);
  say(`p50 ${p50}, p99 ${p99}, most ${most}; ${sorted.length} heard`);
  return { p50, p99, most };
}

async function paced(run: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  const calls: Promise<void>[] = [];
  for (let i = 0; i < watchers; i++) {
    const waitMs = begin + (i * 1_000) / changesPerSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    calls.push(run());
  }
  await Promise.all(calls);
}

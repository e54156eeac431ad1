// Durable jobs through every door of a real orchestrator: one job is the same job by each of them, and a watch goes on
// by its cursor after kill -9 of the pod, on the same pod and on another.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { JobState, type WatchJobResponse } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Access, firstKey } from '../harness/access.ts';
import { agentProgram } from '../harness/agent-program.ts';
import { connectClient, protocols } from '../harness/connect-caller.ts';
import { Fleet } from '../harness/fleet.ts';
import { Origin } from '../harness/origin.ts';
import { pattern } from '../harness/origin-routes.ts';
import { Pod } from '../harness/pod.ts';
import { story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { tool } from '../harness/tools.ts';
import { until, within } from '../harness/waiting.ts';

const run = promisify(execFile);
const { submitJob, submitJobs, getJob, watchJob, watchJobs } = JobService.method;
/** A job of a pod that died is taken up when its lease ends, after 30 s. */
const leaseBoundMs = 60_000;
const watchOptions = { deadlineMs: 2 * leaseBoundMs };

/** One folder, and in it one orchestrator after the other. */
async function lab(use: Use) {
  const dir = use(await TempDir.make());
  const origin = use(await Origin.start());
  const pods: Pod[] = [];
  const access = await Access.make(dir, () => pods.map(({ program }) => program));
  const startPod = async () => {
    const pod = await Pod.start({ name: 'orchestrator', cwd: dir.path, env: access.env, token: access.token });
    pods.push(pod);
    return use(pod);
  };
  const startAgent = async (pod: Pod) => {
    const key = await access.key(firstKey);
    const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint };
    const agent = agentProgram({ name: 'default', keyName: firstKey, key, port: pod.ports.agent, cwd: dir.path, env });
    use({ close: () => agent.kill() });
    await until('the agent is listed', async () => (await pod.agents()).length === 1);
  };
  const curl = async (pod: Pod, path: string, ...more: string[]) => {
    const url = `http://127.0.0.1:${pod.ports.http}${path}`;
    const header = `Authorization: Bearer ${access.token}`;
    return (await run(tool('curl'), ['-sS', '-m', '20', '-H', header, ...more, url])).stdout;
  };
  return { origin, access, startPod, startAgent, curl };
}

const jsonType = ['-H', 'Content-Type: application/json'];
const idsOf = (events: string) => [...events.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

story('one job is the same through every door: state, body, headers', async (use) => {
  const { origin, access, startPod, startAgent, curl } = await lab(use);
  const pod = await startPod();
  await startAgent(pod);
  const asked = JSON.stringify({ url: origin.url('/bytes/100000') });
  const { jobId } = JSON.parse(await curl(pod, '/jobs', ...jsonType, '-d', asked)) as { jobId: string };
  const events = await curl(pod, `/jobs/${jobId}/events`, '-N');
  expect(idsOf(events)).toEqual(idsOf(events).map((_, i) => i + 1));
  expect(events).toContain('"state":"SUCCEEDED"');

  const { result } = JSON.parse(await curl(pod, `/jobs/${jobId}/result`)) as {
    result: { statusCode: number; body: string; headerList: [string, string][] };
  };
  expect(Buffer.from(result.body, 'base64').equals(pattern(100_000))).toBe(true);
  expect((await pod.grpc.call(getJob, { jobId })).job?.state).toBe(JobState.SUCCEEDED);
  for (const protocol of protocols) {
    const client = connectClient(JobService, { port: pod.ports.http, token: access.token, protocol });
    const pieces: Uint8Array[] = [];
    for await (const { part } of client.getJobResult({ jobId })) {
      if (part.case === 'body') pieces.push(part.value);
      if (part.case !== 'head') continue;
      expect(part.value.headers.map(({ name, value }) => [name, value])).toEqual(result.headerList);
    }
    expect(Buffer.concat(pieces).equals(pattern(100_000))).toBe(true);
  }
});

story(
  'watches go on by their cursors after kill -9, in the middle of a job too, with no change missed or repeated',
  async (use) => {
    const { origin, startPod, startAgent, curl } = await lab(use);
    const first = await startPod();
    const url = origin.url('/hold/answers');
    const request = { request: { url }, labels: { batch: 'b' }, timeout: { seconds: 60n } };
    const jobIds: string[] = [];
    for (let i = 0; i < 3; i++) jobIds.push((await first.grpc.call(submitJob, request)).job?.jobId ?? '');
    const seen = new SeenChanges();
    const watched = Promise.all(jobIds.map((jobId) => seen.read(first, jobId)));
    const watchedLabel = seen.readLabel(first, 'b');
    await startAgent(first);
    await until('every job is out', () => jobIds.every((jobId) => seen.count(jobId) >= 2));
    await first.program.kill();
    await Promise.all([watched, watchedLabel]);

    const second = await startPod();
    await startAgent(second);
    origin.holds.release('answers');
    const again = [...jobIds.map((jobId) => seen.read(second, jobId)), seen.readLabel(second, 'b')];
    await within('every job is told to its end', leaseBoundMs, Promise.all(again));
    seen.expectWhole(jobIds);
    const [jobId = ''] = jobIds;
    expect(idsOf(await curl(second, `/jobs/${jobId}/events`, '-H', 'Last-Event-ID: 1'))[0]).toBe(2);
  },
  2 * leaseBoundMs,
);

story(
  'watches go on at another pod when theirs is killed, with no change missed or repeated',
  async (use) => {
    const origin = use(await Origin.start());
    const fleet = use(await Fleet.start({ pods: ['pod-a', 'pod-b'] }));
    const [a, b] = [fleet.pod('pod-a'), fleet.pod('pod-b')];
    await fleet.startAgent({ name: 'default', to: 'pod-b', env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
    await fleet.waitForAgents([`${firstKey}/default`], 30_000);
    const request = { request: { url: origin.url('/late/50') }, labels: { batch: 'b' } };
    const { outcomes } = await b.grpc.call(submitJobs, { jobs: Array(40).fill(request) });
    const jobIds = outcomes.map(({ outcome }) =>
      outcome.case === 'submitted' ? (outcome.value.job?.jobId ?? '') : '',
    );
    const seen = new SeenChanges();
    const watched = Promise.all([...jobIds.map((jobId) => seen.read(a, jobId)), seen.readLabel(a, 'b')]);
    await until('some of it is told', () => jobIds.filter((jobId) => seen.count(jobId) >= 2).length >= 5);
    await fleet.kill('pod-a');
    await watched;
    const again = [...jobIds.map((jobId) => seen.read(b, jobId)), seen.readLabel(b, 'b')];
    await within('every job is told to its end', leaseBoundMs, Promise.all(again));
    seen.expectWhole(jobIds);
  },
  2 * leaseBoundMs,
);

/** What watchers were told, across pods: each goes on after what it has seen, as a caller would. */
class SeenChanges {
  readonly #changes = new Map<string, number[]>();
  /** By the watch of the label: the newest change of each job. */
  readonly #labelled = new Map<string, number[]>();
  readonly #over = new Set<string>();
  #cursor = '';

  count(jobId: string): number {
    return this.#changes.get(jobId)?.length ?? 0;
  }

  /** Until the job is over, or the pod. */
  async read(pod: Pod, jobId: string): Promise<void> {
    const seen = this.#changes.get(jobId) ?? [];
    this.#changes.set(jobId, seen);
    const cursor = String(seen.at(-1) ?? '');
    await untilKilled(pod, async () => {
      for await (const change of pod.grpc.stream(watchJob, { jobId, cursor }, watchOptions))
        seen.push(Number(change.cursor));
    });
  }

  /** Until every job that it was told of is over, and those are all; or the pod. */
  async readLabel(pod: Pod, batch: string): Promise<void> {
    const asked = { labels: { batch }, cursor: this.#cursor, presentFirst: this.#cursor === '' };
    await untilKilled(pod, async () => {
      for await (const { cursor, event } of pod.grpc.stream(watchJobs, asked, watchOptions)) {
        this.#cursor = cursor;
        if (event.case === 'present' || event.case === 'change') this.#take(event.value);
        if (this.#over.size === this.#changes.size) return;
      }
    });
  }

  expectWhole(jobIds: readonly string[]): void {
    for (const jobId of jobIds) {
      const changes = this.#changes.get(jobId) ?? [];
      expect(changes.length).toBeGreaterThanOrEqual(3);
      expect(changes).toEqual(changes.map((_, i) => i + 1));
      const byLabel = this.#labelled.get(jobId) ?? [];
      expect(byLabel).toEqual(changes.slice(changes.indexOf(byLabel[0] ?? 0)));
    }
  }

  /** What is told again is known by the cursor of its job. */
  #take({ jobId, cursor, state }: Pick<WatchJobResponse, 'jobId' | 'cursor' | 'state'>): void {
    const seen = this.#labelled.get(jobId) ?? [];
    this.#labelled.set(jobId, seen);
    if (Number(cursor) > (seen.at(-1) ?? 0)) seen.push(Number(cursor));
    if (state >= JobState.SUCCEEDED) this.#over.add(jobId);
  }
}

/** The end of its pod is no failure of a watch. */
async function untilKilled(pod: Pod, watch: () => Promise<void>): Promise<void> {
  try {
    await watch();
  } catch (error) {
    if (pod.program.alive)
      await until('the pod is dead, and so its watches', () => !pod.program.alive, 5_000).catch(() => {
        throw error;
      });
  }
}

// Jobs that outlive their call, on a real orchestrator with its jobs in sqlite, and with a real agent: cancelled in every
// state, fair between tenants, waiting for an exit, told of by callback, and whole after the orchestrator was killed.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { expect } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { CallbackStatus_State, JobState } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { openReceiver } from '../../internal/orchestrator/callbacks/receiver-fixture.ts';
import { Access, firstKey } from '../harness/access.ts';
import { agentProgram } from '../harness/agent-program.ts';
import { DurableCaller, stateName } from '../harness/durable-caller.ts';
import { timed } from '../harness/goals.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import { Pod } from '../harness/pod.ts';
import type { Program } from '../harness/process.ts';
import { full, say } from '../harness/run.ts';
import { story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';

const endBoundMs = 60_000;
const wakeGoalMs = 1_000;
const killBoundMs = full ? 5 * 60_000 : 60_000;
const agentEnv = { AGENT_MAX_CONCURRENT: '64' };

/** One folder, and in it one orchestrator after the other; agents dial the one that runs. */
async function lab(use: Use, env: Readonly<Record<string, string>> = {}) {
  const dir = use(await TempDir.make());
  const origin = use(await Origin.start());
  const pods: Pod[] = [];
  const access = await Access.make(dir, () => pods.map(({ program }) => program));
  const startPod = async (agentPort = 0) => {
    const ports = { RESPROXY_AGENT_PORT: String(agentPort) };
    const name = 'orchestrator';
    const pod = await Pod.start({ name, cwd: dir.path, env: { ...access.env, ...env, ...ports }, token: access.token });
    pods.push(pod);
    return use(pod);
  };
  const startAgent = async (pod: Pod): Promise<Program> => {
    const key = await access.key(firstKey);
    const options = { name: 'default', keyName: firstKey, key, port: pod.ports.agent, cwd: dir.path };
    const agent = agentProgram({ ...options, env: { ...agentEnv, AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
    use({ close: () => agent.kill() });
    await until('the agent is listed', async () => (await pod.agents()).length === 1);
    return agent;
  };
  return { dir, origin, access, startPod, startAgent };
}

async function metricsOf({ ports }: Pod): Promise<string> {
  return (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text();
}

story('a job is handed over, runs, and leaves its answer behind', async (use) => {
  const { origin, startPod, startAgent } = await lab(use);
  const pod = await startPod();
  await startAgent(pod);
  const caller = new DurableCaller(pod.grpc);
  const body = randomBytes(300_000);
  const jobId = await caller.submit({ request: { url: origin.url('/mirror'), method: 'POST', body } });
  expect((await caller.waitForEnd(jobId)).state).toBe(JobState.SUCCEEDED);
  expect((await caller.body(jobId)).equals(body)).toBe(true);
  const metrics = await metricsOf(pod);
  expect(metrics).toContain('resproxy_queue_jobs{state="SUCCEEDED",priority="5"} 1');
  expect(metrics).toContain('resproxy_queue_attempts_total{outcome="succeeded"} 1');
});

story('a job waits for an exit instead of failing, and runs within a moment of its coming', async (use) => {
  const { origin, startPod, startAgent } = await lab(use);
  const pod = await startPod();
  const caller = new DurableCaller(pod.grpc);
  const jobId = await caller.submit({ request: { url: origin.url('/echo') } });
  const aside = 'resproxy_queue_oldest_seconds{waiting_for="exit",priority="5"}';
  await until('a pod found no exit for it', async () => (await metricsOf(pod)).includes(aside));
  await caller.waitFor(jobId, JobState.QUEUED);
  await startAgent(pod);
  await timed('an exit is listed, the job that waited for it has ended', wakeGoalMs, caller.waitForEnd(jobId));
});

story('a job is cancelled in every state, and what comes of it later is dropped', async (use) => {
  const { origin, startPod, startAgent } = await lab(use);
  const pod = await startPod();
  const caller = new DurableCaller(pod.grpc);
  const asked = (path: string, marker: string) => {
    return { url: origin.url(path), headers: [{ name: 'x-marker', value: marker }] };
  };
  const cancelledIs = async (jobId: string) => {
    await caller.cancel(jobId);
    expect((await caller.get(jobId)).state).toBe(JobState.CANCELLED);
  };
  // Waiting for its time, and for an exit.
  const delayed = await caller.submit({ request: asked('/echo', 'never'), delay: { seconds: 3_600n } });
  await cancelledIs(delayed);
  const parked = await caller.submit({ request: asked('/echo', 'never') });
  await cancelledIs(parked);
  await startAgent(pod);
  // With the origin.
  const dispatched = await caller.submit({ request: asked('/hold/held', 'held') });
  await origin.waitForHits('held');
  expect((await caller.get(dispatched)).state).toBe(JobState.DISPATCHED);
  await cancelledIs(dispatched);
  await until('the exchange is given up', () => origin.hitsOf('held')[0]?.state === 'abandoned');
  // In the middle of its answer.
  const running = await caller.submit({ request: asked('/drip/10000', 'drip') });
  await caller.waitFor(running, JobState.RUNNING);
  await cancelledIs(running);
  // Between two attempts.
  const retry = { initialBackoff: { seconds: 10n }, maxBackoff: { seconds: 10n }, retryOnStatus: [503] };
  const waiting = await caller.submit({ request: asked('/status/503', 'waits'), retry });
  await caller.waitFor(waiting, JobState.RETRY_WAIT);
  await cancelledIs(waiting);
  // Over.
  const over = await caller.submit({ request: asked('/echo', 'over') });
  await caller.waitForEnd(over);
  await caller.cancel(over);
  expect((await caller.get(over)).state).toBe(JobState.SUCCEEDED);

  origin.holds.releaseAll();
  for (const jobId of [delayed, parked, dispatched, running, waiting])
    expect((await caller.get(jobId)).state).toBe(JobState.CANCELLED);
  expect(origin.hitsOf('never')).toHaveLength(0);
  expect(origin.hitsOf('waits')).toHaveLength(1);
});

story('a tenant with many queued jobs does not keep another waiting', async (use) => {
  const many = full ? 2_000 : 600;
  const { origin, access, startPod, startAgent } = await lab(use);
  const pod = await startPod();
  const other = use(
    new GrpcCaller(pod.ports.grpc, await access.addCaller('other', 'other', ['jobs:run', 'jobs:read'])),
  );
  const caller = new DurableCaller(pod.grpc);
  const job = (marker: string) => {
    return { request: { url: origin.url('/late/20'), headers: [{ name: 'x-marker', value: marker }] } };
  };
  await Promise.all(Array.from({ length: many }, () => caller.submit({ ...job('many'), delay: { seconds: 3n } })));
  await startAgent(pod);
  await origin.waitForHits('many');
  const single = new DurableCaller(other);
  const before = origin.hits.length;
  await single.waitForEnd(await single.submit(job('single')));
  const at = origin.hits.findIndex(({ marker }) => marker === 'single');
  // How many is a matter of the machine: the batch between two tenants is what every store is asked for by its suite.
  say(`another tenant's single job among ${many}: ${at - before} hits of the others since its submit`);
  expect(at).toBeLessThan(many);
});

story(
  'an orchestrator that is killed in the middle loses no job, and repeats none that must not be',
  async (use) => {
    const count = full ? 10_000 : 1_000;
    const { origin, startPod, startAgent } = await lab(use);
    const first = await startPod();
    await startAgent(first);
    const caller = new DurableCaller(first.grpc);
    const jobs: { id: string; marker: string; method: string }[] = [];
    const submitting = Array.from({ length: 20 }, async (_, lane) => {
      for (let i = lane; i < count; i += 20) {
        const marker = `job-${i}`;
        const method = i % 2 === 0 ? 'GET' : 'POST';
        const request = { url: origin.url('/late/50'), method, headers: [{ name: 'x-marker', value: marker }] };
        const id = await caller.submit({ request }).catch(() => undefined);
        if (id === undefined) return;
        jobs.push({ id, marker, method });
      }
    });
    await until('half of them have arrived', () => origin.hits.length >= count / 2, killBoundMs);
    await first.program.kill();
    await Promise.all(submitting);
    const hitsBefore = origin.hits.length;

    const second = await startPod(first.ports.agent);
    await until('the agent is back', async () => (await second.agents()).length === 1);
    const later = new DurableCaller(second.grpc);
    const begin = performance.now();
    const states = new Map<JobState, number>();
    for (const { id } of jobs) {
      const { state } = await later.waitForEnd(id, full ? 5 * endBoundMs : endBoundMs);
      states.set(state, (states.get(state) ?? 0) + 1);
    }
    const counts = [...states].map(([state, jobsIn]) => `${stateName(state)} ${jobsIn}`).join(', ');
    const seconds = Math.round((performance.now() - begin) / 1000);
    say(
      `${jobs.length} jobs taken, killed after ${hitsBefore} hits: ${counts}; all over ${seconds} s after the restart`,
    );
    expect(jobs.length).toBeGreaterThanOrEqual(count / 2);
    for (const { marker, method } of jobs)
      if (method === 'POST') expect(origin.hitsOf(marker).length).toBeLessThanOrEqual(1);
    expect(new Set(states.keys())).toEqual(
      new Set([JobState.SUCCEEDED, ...(states.has(JobState.OUTCOME_UNKNOWN) ? [JobState.OUTCOME_UNKNOWN] : [])]),
    );
  },
  full ? 15 * 60_000 : 2 * 60_000,
);

story('receivers of callbacks that take them, are down, slow, redirect inside, or are gone', async (use) => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const inside = use(await openReceiver());
  const answers: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
    '/takes': (response) => response.writeHead(204).end(),
    '/fails': (response) => response.writeHead(503).end(),
    '/gone': (response) => response.writeHead(410).end(),
    '/slow': () => {},
    '/inside': (response) => response.writeHead(307, { location: inside.url().href }).end(),
  };
  const receiver = use(await openReceiver((response, { path }) => answers[path]?.(response)));
  const down = await openReceiver();
  await down.close();
  const allowed = [receiver.port, inside.port, down.port].map((port) => `127.0.0.1/32:${port}`);
  const { dir, origin, startPod, startAgent } = await lab(use, {
    RESPROXY_CALLBACK_ALLOW: allowed.join(','),
    RESPROXY_CALLBACK_SECRETS: 'file:./secrets.json',
  });
  await writeFile(dir.file('secrets.json'), JSON.stringify({ secrets: [{ tenant: 'acme', secrets: [secret] }] }));
  const pod = await startPod();
  await startAgent(pod);
  const caller = new DurableCaller(pod.grpc);
  const told = async (url: string, is: { state: CallbackStatus_State; lastOutcome: string }, boundMs = 15_000) => {
    const jobId = await caller.submit({ request: { url: origin.url('/echo') }, callback: { url } });
    const look = async () => {
      const { callback: status } = await caller.get(jobId);
      return status?.state === is.state && status.lastOutcome === is.lastOutcome && status;
    };
    const callback = await until(`${url} is ${is.lastOutcome}`, look, boundMs);
    return { jobId, callback };
  };
  const { DELIVERED, FAILED, PENDING } = CallbackStatus_State;
  const at = (path: string) => receiver.url(path).href;
  // Given up after 15 s; nobody else waits for it.
  const slow = told(at('/slow'), { state: PENDING, lastOutcome: 'timeout' }, 30_000);
  const { jobId, callback } = await told(at('/takes'), { state: DELIVERED, lastOutcome: 'status 204' });
  const delivery = receiver.received.find(({ path }) => path === '/takes');
  expect(delivery?.headers['webhook-id']).toBe(callback.webhookId);
  const verified = new Webhook(secret).verify(delivery?.body ?? '', delivery?.headers as Record<string, string>);
  expect(verified).toMatchObject({ type: 'job.succeeded', data: { jobId, state: 'SUCCEEDED' } });
  await told(at('/fails'), { state: PENDING, lastOutcome: 'status 503' });
  await told(at('/gone'), { state: FAILED, lastOutcome: 'status 410' });
  await told(at('/inside'), { state: PENDING, lastOutcome: 'status 307' });
  await told(down.url().href, { state: PENDING, lastOutcome: 'no connection' });
  expect(inside.received).toEqual([]);
  await slow;
  const refused = await pod.grpc.failure(JobService.method.submitJob, {
    request: { url: origin.url('/echo') },
    callback: { url: 'http://127.0.0.1:1/hook' },
  });
  expect(refused.info?.reason).toBe('INVALID_REQUEST');
});

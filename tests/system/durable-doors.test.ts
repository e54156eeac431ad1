// Durable jobs through every door of a real orchestrator: one job is the same job by each of them, and a watch goes on
// by its cursor after the orchestrator was started anew.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { JobState } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Access, firstKey } from '../harness/access.ts';
import { agentProgram } from '../harness/agent-program.ts';
import { connectClient, protocols } from '../harness/connect-caller.ts';
import { Origin } from '../harness/origin.ts';
import { pattern } from '../harness/origin-routes.ts';
import { Pod } from '../harness/pod.ts';
import { story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { tool } from '../harness/tools.ts';
import { until } from '../harness/waiting.ts';

const run = promisify(execFile);
const { submitJob, getJob, watchJob } = JobService.method;

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

story('a watch goes on by its cursor after a restart, with no change missed or repeated', async (use) => {
  const { origin, startPod, startAgent, curl } = await lab(use);
  const first = await startPod();
  const { job } = await first.grpc.call(submitJob, { request: { url: origin.url('/bytes/3') } });
  const jobId = job?.jobId ?? '';
  const seen: number[] = [];
  for await (const { cursor } of first.grpc.stream(watchJob, { jobId })) {
    seen.push(Number(cursor));
    break;
  }
  await first.program.stop();
  const second = await startPod();
  await startAgent(second);
  for await (const { cursor } of second.grpc.stream(watchJob, { jobId, cursor: String(seen.at(-1)) }))
    seen.push(Number(cursor));
  expect(seen).toEqual(seen.map((_, i) => i + 1));
  expect((await second.grpc.call(getJob, { jobId })).job?.state).toBe(JobState.SUCCEEDED);
  expect(idsOf(await curl(second, `/jobs/${jobId}/events`, '-H', 'Last-Event-ID: 1'))).toEqual(seen.slice(1));
});

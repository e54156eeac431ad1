// Every client that docs/CLIENTS.md shows, run as it stands there: curl, grpcurl, buf curl the TypeScript examples, and
// Python and Go where they are on the machine.
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { expect } from '@jest/globals';
import { runDurableJob } from '../../docs/examples/durable-job.ts';
import { JobError, ResilientClient } from '../../docs/examples/resilient-client.ts';
import { JobState } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { pattern } from '../harness/origin-routes.ts';
import { projectDir } from '../harness/process.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { grpcurl, tool } from '../harness/tools.ts';
import { until } from '../harness/waiting.ts';

const run = promisify(execFile);
const boundMs = 170_000;
const searchPath = `${join(projectDir, 'node_modules', '.bin')}:${process.env.PATH ?? ''}:/usr/local/go/bin`;

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const agent = await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster, agent };
});

/** A line of the page in a shell, with the settings that the page names. */
async function shell(line: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const { cluster, origin } = lab();
  const { ports, token } = cluster;
  const env = {
    ...process.env,
    PATH: searchPath,
    RESPROXY_REST: `http://127.0.0.1:${ports.http}`,
    RESPROXY_GRPC: `127.0.0.1:${ports.grpc}`,
    RESPROXY_TOKEN: token,
    ORIGIN: origin.url('/echo'),
    ...more,
  };
  const { stdout } = await run('sh', ['-c', line], { cwd: projectDir, env, timeout: boundMs });
  return stdout;
}

/** The commands below a heading of the page; lines that end in a backslash go on. */
async function commands(heading: string): Promise<string[]> {
  const page = await readFile(join(projectDir, 'docs/CLIENTS.md'), 'utf8');
  const section = page.split('\n## ').find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const text = /```sh\n(.*?)```/s.exec(section)?.[1] ?? '';
  const lines = text
    .replaceAll(/\\\n\s*/g, '')
    .trim()
    .split('\n');
  expect(lines.length).toBeGreaterThan(0);
  return lines;
}

async function inTurn(lines: readonly string[], run: (line: string) => Promise<string>): Promise<string[]> {
  const answers: string[] = [];
  for (const line of lines) answers.push(await run(line));
  return answers;
}

story('curl', async () => {
  tool('curl');
  for (const line of await commands('curl')) {
    const { result } = JSON.parse(await shell(line)) as { result: { statusCode: number } };
    expect(result.statusCode).toBe(200);
  }
});

story('the durable job, when the pod does not answer at first, and its answer again by its key', async () => {
  const { cluster, origin } = lab();
  let refusals = 2;
  const refusesAtFirst: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${cluster.token}`);
    if (refusals-- > 0) throw new ConnectError('away', Code.Unavailable);
    return next(request);
  };
  const baseUrl = `http://127.0.0.1:${cluster.ports.http}`;
  const transport = createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: [refusesAtFirst] });
  const jobs = createClient(JobService, transport);
  for (let i = 0; i < 2; i++) {
    const { state, body } = await runDurableJob(jobs, origin.url('/bytes/100000'), 'by-key');
    expect(state).toBe(JobState.SUCCEEDED);
    expect(body.equals(pattern(100_000))).toBe(true);
  }
  expect(origin.hits.filter(({ path }) => path === '/bytes/100000')).toHaveLength(1);
});

story('a job that outlives the call, with curl', async (use) => {
  const { path: TMPDIR } = use(await TempDir.make());
  const [submit = '', watch = '', fetched = ''] = await commands('Jobs that outlive the call, with curl');
  expect(await shell(submit, { TMPDIR })).toContain('Job accepted.');
  expect(await shell(watch, { TMPDIR })).toContain('"state":"SUCCEEDED"');
  expect(await shell(fetched, { TMPDIR })).toContain('"statusCode":200');
  expect(await shell(submit, { TMPDIR })).toContain('Job accepted before.');
});

story('grpcurl', async () => {
  for (const line of await commands('grpcurl')) {
    expect(await shell(line.replace('grpcurl', grpcurl()))).toContain('"statusCode": 200');
  }
});

story('jobs that outlive the call, with grpcurl', async () => {
  const lines = await commands('Jobs that outlive the call, with grpcurl');
  const [submitted = '', watched = '', listed = ''] = await inTurn(lines, (line) =>
    shell(line.replace('grpcurl', grpcurl())),
  );
  expect(submitted).toMatch(/"submitted".*"failure".*INVALID_REQUEST"/s);
  expect(watched).toMatch(/"present".*"synced"/s);
  expect(listed).toContain('"batch": "7"');
});

story('buf curl, over gRPC and over Connect', async () => {
  const lines = await commands('buf curl');
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    const { response } = JSON.parse(await shell(line)) as { response: { statusCode: number } };
    expect(response.statusCode).toBe(200);
  }
});

story('the TypeScript examples', async () => {
  for (const line of await commands('TypeScript')) {
    const answer = await shell(line.replace('node', process.execPath));
    expect(answer).toContain('"path":"/echo"');
  }
});

story('the resilient client waits as it is told and tries again, until there is an exit', async (use) => {
  const { cluster, origin, agent } = lab();
  await agent.stop();
  const client = new ResilientClient(`127.0.0.1:${cluster.ports.grpc}`, cluster.token);
  use({ close: async () => client.close() });
  const request = { url: origin.url('/bytes/3'), method: 'POST' };
  const options = { idempotent: false, timeoutMs: 25_000 };
  const job = client.runJob({ request, timeout: { nanos: 200_000_000 } }, options);
  await cluster.waitForNoAgent('home-1/default');
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  expect((await job).response?.statusCode).toBe(200);
});

story('and never sends again what may have reached the origin', async (use) => {
  const { cluster, origin } = lab();
  const victim = await cluster.startAgent({ name: 'victim', env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  const client = new ResilientClient(`127.0.0.1:${cluster.ports.grpc}`, cluster.token);
  use({ close: async () => client.close() });
  const headers = [{ name: 'x-marker', value: 'once' }];
  const request = { url: origin.url('/hold/once'), method: 'POST', headers };
  const target = { exitId: 'home-1/victim/direct' };
  const failure = client.runJob({ request, target }, { idempotent: false, timeoutMs: 20_000 }).catch((error) => error);
  await origin.waitForHits('once');
  victim.signal('SIGKILL');
  const error = await failure;
  expect(error).toBeInstanceOf(JobError);
  expect(error).toMatchObject({ reason: 'OUTCOME_UNKNOWN', execution: 'POSSIBLE', retryAfterMs: undefined });
  await until('the victim is gone', async () => !(await cluster.agentIds()).includes('home-1/victim'));
  expect(origin.hitsOf('once')).toHaveLength(1);
});

for (const { heading, command, installs } of [
  { heading: 'Python', command: 'python3', installs: 1 },
  { heading: 'Go', command: 'go', installs: 2 },
]) {
  const isThere = spawnSync(command, ['--help'], { env: { ...process.env, PATH: searchPath } }).error === undefined;
  story(
    isThere ? `${heading}, run` : `${heading}, which is not on this machine: the page shows the commands`,
    async () => {
      const lines = await commands(heading);
      expect(lines.length).toBeGreaterThan(installs);
      if (!isThere) return expect(lines.join('\n')).toContain(command);
      // What was installed for the same commands before is taken from the cache.
      const version = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
      const tools = join(homedir(), '.cache', 'resproxy', `clients-${command}-${version}`);
      await mkdir(join(tools, command), { recursive: true });
      const installed = existsSync(join(tools, 'installed'));
      let shown = '';
      for (const line of lines.slice(installed ? installs : 0)) shown = await shell(line, { TOOLS: tools });
      await writeFile(join(tools, 'installed'), '');
      expect(shown).toMatch(/^200 .*"path":"\/echo"/);
    },
    180_000,
  );
}

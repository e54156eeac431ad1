// The agent as its owner at home gets it: one file, alone in a folder, with a Node and nothing else.
import { execFile, execFileSync } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { Program, projectDir } from '../harness/process.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';

const run = promisify(execFile);
const runJob = JobService.method.runJob;
const startBoundMs = 20_000;

/** Builds from a folder that is not the project's. */
async function build(file: string): Promise<string> {
  await run(process.execPath, [join(projectDir, 'scripts/build-agent.ts'), file], { cwd: '/', timeout: 60_000 });
  return file;
}

const built = shared(async (use) => {
  const dir = use(await TempDir.make());
  return { dir, file: await build(dir.file('agent.mjs')) };
});

interface Ending {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the bundle to its end. */
async function endOf(node: string, args: readonly string[], cwd: string): Promise<Ending> {
  const ended = run(node, [...args], { cwd, env: {}, timeout: startBoundMs });
  return ended.then(
    (output) => ({ code: 0, ...output }),
    (error: Ending) => error,
  );
}

story('the same sources give the same bytes, and the licences of all packages are in them', async () => {
  const { dir, file } = built();
  const again = await build(dir.file('again.mjs'));
  const bytes = await readFile(file);
  expect((await readFile(again)).equals(bytes)).toBe(true);
  const text = bytes.toString();
  expect(text).not.toContain(projectDir);
  for (const name of ['resproxy', 'undici', 'ws', 'pino', 'zod', 'ipaddr.js', '@bufbuild/protobuf']) {
    expect(text).toMatch(new RegExp(`^==== ${name} \\d`, 'm'));
  }
});

story('alone in an empty folder, with its two settings in .env, it connects and serves', async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const home = use(await TempDir.make());
  await copyFile(built().file, home.file('agent.mjs'));
  const settings = {
    ORCH_WS: `ws://127.0.0.1:${cluster.ports.agent}/agent`,
    AGENT_KEY: await cluster.addKey({ name: 'attic' }),
    AGENT_ALLOW_ENDPOINTS: origin.endpoint,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(home.file('.env'), lines.join(''));

  const agent = new Program({
    name: 'agent.mjs',
    command: process.execPath,
    args: ['agent.mjs'],
    cwd: home.path,
  });
  use({ close: () => agent.kill() });
  await agent.waitForLog('connects', ({ msg }) => String(msg).startsWith('Connected to '), { boundMs: startBoundMs });
  await cluster.waitForAgent('attic/default');
  const { response, exit } = await cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/3') } });
  expect([response?.statusCode, response?.body.length, exit?.agentId]).toEqual([200, 3, 'attic/default']);
  const { version } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8')) as { version: string };
  expect((await cluster.agents())[0]?.version).toBe(version);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

story('it tells its version and its faults from any folder', async () => {
  const { dir, file } = built();
  expect((await endOf(process.execPath, [file, '--version'], '/')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { code, stderr } = await endOf(process.execPath, [file], dir.path);
  expect([code, stderr.match(/must be set/g)?.length]).toEqual([2, 2]);
});

story('a Node that is too old gets one sentence and status 1', async (use) => {
  const old = await oldNode(use(await TempDir.make()));
  const { code, stdout, stderr } = await endOf(old.command, [...old.args, built().file], '/');
  expect(stderr).toBe(
    `The resproxy agent needs Node 22.19 or newer and this is ${old.version}: ` +
      'install Node 24 from https://nodejs.org and start it again.\n',
  );
  expect([code, stdout]).toEqual([1, '']);
});

/** The system's own Node where that is an old one, else this Node saying that it is. */
async function oldNode(dir: TempDir): Promise<{ command: string; args: readonly string[]; version: string }> {
  const command = '/usr/bin/node';
  const version = versionOf(command);
  if (version !== undefined && Number(version.slice(1).split('.')[0]) < 22) return { command, args: [], version };
  const disguise = dir.file('disguise.cjs');
  await writeFile(
    disguise,
    `Object.defineProperty(process, 'version', { value: 'v20.20.2' });
     Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });`,
  );
  return { command: process.execPath, args: ['--require', disguise], version: 'v20.20.2' };
}

function versionOf(node: string): string | undefined {
  try {
    return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

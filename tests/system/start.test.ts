// npm start in an empty copy of the project, as a newcomer meets it: the screen, the lines to paste, the second run,
// Ctrl-C, and no process left behind whatever happens.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, stat, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import { Program, projectDir } from '../harness/process.ts';
import { shared, story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { grpcurl, tool } from '../harness/tools.ts';
import { until } from '../harness/waiting.ts';

const run = promisify(execFile);
const anyPorts = {
  RESPROXY_HTTP_PORT: '0',
  RESPROXY_GRPC_PORT: '0',
  RESPROXY_AGENT_PORT: '0',
  RESPROXY_ADMIN_PORT: '0',
};

const copy = shared(async (use) => {
  const dir = use(await TempDir.make());
  for (const part of ['cmd', 'internal', 'gen', 'proto', 'scripts', 'package.json']) {
    await cp(join(projectDir, part), join(dir.path, part), { recursive: true });
  }
  await symlink(join(projectDir, 'node_modules'), join(dir.path, 'node_modules'));
  return dir.path;
});

/** In the copy, as `npm start` runs it. */
async function start(use: Use, env: Readonly<Record<string, string>> = anyPorts): Promise<Program> {
  const args = ['scripts/require-node.cjs'];
  await run(process.execPath, args, { cwd: copy() });
  const program = new Program({
    name: 'npm start',
    command: process.execPath,
    args: ['cmd/local/main.ts'],
    cwd: copy(),
    env,
  });
  use({ close: () => program.stop() });
  return program;
}

const shown = (program: Program) => program.output.join('\n');

async function untilShown(program: Program): Promise<string> {
  await until(
    'the screen',
    () => {
      if (!program.alive) throw new Error(`npm start ended\n${program.tail()}`);
      return shown(program).includes('Logs:');
    },
    30_000,
  );
  return shown(program);
}

/** Runs a line of the screen in a shell, as pasted. */
async function paste(line: string): Promise<string> {
  const folders = [dirname(grpcurl()), dirname(tool('curl')), process.env.PATH ?? ''];
  const { stdout } = await run('/bin/sh', ['-c', line], { cwd: copy(), env: { PATH: folders.join(delimiter) } });
  return stdout;
}

function lineStarting(screen: string, word: string): string {
  const line = screen.split('\n').find((each) => each.trim().startsWith(`${word} `));
  if (line === undefined) throw new Error(`no ${word} line in:\n${screen}`);
  return line.trim();
}

story('the first run shows the self-check, and the curl and grpcurl lines work as pasted', async (use) => {
  const program = await start(use);
  const screen = await untilShown(program);
  expect(screen).toMatch(/Self-check: .* answered 200 in \d+ ms/);
  expect(screen).toContain('made by this run');

  const byCurl = JSON.parse(await paste(lineStarting(screen, 'curl')));
  expect(byCurl).toMatchObject({ message: 'Job completed successfully.', result: { statusCode: 200 } });
  expect(JSON.parse(Buffer.from(byCurl.result.body, 'base64').toString())).toMatchObject({
    method: 'GET',
    path: '/echo',
  });

  const byGrpcurl = JSON.parse(await paste(lineStarting(screen, 'grpcurl')));
  expect(byGrpcurl).toMatchObject({ response: { statusCode: 200 }, exit: { agentId: 'dev/default' } });
  const services = await paste(lineStarting(screen, 'grpcurl').replace(/-d '.*?' (\S+) .*/, '$1 list'));
  expect(services).toContain('resproxy.v1.JobService');

  for (const name of ['dev-token', 'dev-agent.key', 'agent-keys.json', 'callers.json']) {
    expect((await stat(join(copy(), '.resproxy', name))).mode & 0o777).toBe(0o600);
  }
  const token = (await readFile(join(copy(), '.resproxy', 'dev-token'), 'utf8')).trim();
  const key = (await readFile(join(copy(), '.resproxy', 'dev-agent.key'), 'utf8')).trim();
  for (const secret of [token, key]) expect(screen).not.toContain(secret);
  const logs = await Promise.all(
    ['orchestrator.log', 'agent.log'].map((name) => readFile(join(copy(), '.resproxy', name), 'utf8')),
  );
  for (const secret of [token, key]) expect(logs.join('')).not.toContain(secret);
});

story('a second run uses the same keys, and Ctrl-C ends it with status 0 and leaves no process', async (use) => {
  const program = await start(use);
  const screen = await untilShown(program);
  expect(screen).toContain('from an earlier run');
  const children = await childrenOf(program.pid);
  expect(children.length).toBe(2);
  program.signal('SIGINT');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  for (const child of children) expect(await isAlive(child)).toBe(false);
});

story('an agent that dies ends the program with status 1, which says so', async (use) => {
  const program = await start(use);
  await untilShown(program);
  const agent = await childNamed(program.pid, 'cmd/agent/main.ts');
  process.kill(agent, 'SIGKILL');
  expect((await program.exited).code).toBe(1);
  expect(shown(program)).toContain('agent: was ended by SIGKILL');
});

story('children do not outlive a parent that is killed', async (use) => {
  const program = await start(use);
  await untilShown(program);
  const children = await childrenOf(program.pid);
  program.signal('SIGKILL');
  await program.exited;
  for (const child of children) await until('the child ends', async () => !(await isAlive(child)), 20_000);
});

story('a port that is taken is one plain sentence, and nothing keeps running', async (use) => {
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  use({ close: async () => void other.close() });
  const { port } = other.address() as AddressInfo;
  const program = await start(use, { ...anyPorts, RESPROXY_HTTP_PORT: String(port) });
  expect((await program.exited).code).toBe(1);
  expect(shown(program)).toContain(String(port));
  expect(program.output.length).toBeLessThanOrEqual(2);
});

story('a second start in the same folder says that the first one has the jobs', async (use) => {
  await untilShown(await start(use));
  const second = await start(use);
  expect((await second.exited).code).toBe(1);
  expect(shown(second)).toContain('another process uses the job store');
  expect(second.output.length).toBeLessThanOrEqual(2);
});

async function childrenOf(pid: number): Promise<number[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
}

async function childNamed(pid: number, script: string): Promise<number> {
  for (const child of await childrenOf(pid)) {
    if ((await readFile(`/proc/${child}/cmdline`, 'utf8')).includes(script)) return child;
  }
  throw new Error(`no child runs ${script}`);
}

/** A zombie that its parent has not looked at yet is not alive. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !status.slice(status.lastIndexOf(')')).startsWith(') Z');
}

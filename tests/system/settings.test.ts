// The programs as somebody meets them in a shell: help, version, and a plain word for every bad setting at once.
import { expect } from '@jest/globals';
import { Cluster } from '../harness/cluster.ts';
import { Program } from '../harness/process.ts';
import { story } from '../harness/story.ts';

async function run(script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const program = new Program({ name: script, args: [script, ...args], env, cwd: '/' });
  const { code } = await program.exited;
  return { code, text: program.output.join('\n') };
}

const programs = ['cmd/orchestrator/main.ts', 'cmd/agent/main.ts', 'cmd/local/main.ts', 'cmd/keygen/main.ts'];

for (const script of programs) {
  story(`${script} answers --help and --version, and refuses what it does not know`, async () => {
    const help = await run(script, ['--help']);
    expect(help.code).toBe(0);
    expect(help.text).toMatch(/default/);
    const version = await run(script, ['--version']);
    expect(version).toMatchObject({ code: 0, text: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
    const unknown = await run(script, ['--nonsense']);
    expect(unknown.code).toBe(2);
    expect(unknown.text).toContain('--nonsense');
    expect(unknown.text).not.toContain(' at ');
  });
}

story('the orchestrator lists every bad setting and ends with status 2', async () => {
  const { code, text } = await run('cmd/orchestrator/main.ts', [], {
    RESPROXY_HTTP_PORT: '70000',
    RESPROXY_GRPC_PORT: 'http',
    RESPROXY_SHUTDOWN_GRACE_MS: '-1',
    LOG_LEVEL: 'loud',
  });
  expect(code).toBe(2);
  for (const name of ['RESPROXY_HTTP_PORT', 'RESPROXY_GRPC_PORT', 'RESPROXY_SHUTDOWN_GRACE_MS', 'LOG_LEVEL']) {
    expect(text).toContain(name);
  }
});

story('the orchestrator refuses to be open to the network without TLS', async () => {
  const { code, text } = await run('cmd/orchestrator/main.ts', [], { RESPROXY_BIND: '0.0.0.0' });
  expect(code).toBe(2);
  expect(text).toContain('RESPROXY_PLAINTEXT');
  const open = await run('cmd/orchestrator/main.ts', [], { RESPROXY_BIND: '0.0.0.0', RESPROXY_CALLERS: 'none' });
  expect(open.text).toContain('RESPROXY_CALLERS');
});

story('the agent lists every bad setting, without the key', async () => {
  const secret = 'rpk_not a key';
  const { code, text } = await run('cmd/agent/main.ts', [], {
    ORCH_WS: 'http://example.com',
    AGENT_KEY: secret,
    AGENT_NAME: 'Not A Name',
    AGENT_ALLOW_PORTS: '80,https',
    AGENT_ALLOW_ENDPOINTS: 'localhost:80',
  });
  expect(code).toBe(2);
  for (const name of ['ORCH_WS', 'AGENT_KEY', 'AGENT_NAME', 'AGENT_ALLOW_PORTS', 'AGENT_ALLOW_ENDPOINTS']) {
    expect(text).toContain(name);
  }
  expect(text).not.toContain(secret);
});

story('the agent sends no key in the clear beyond this machine', async () => {
  const { code, text } = await run('cmd/agent/main.ts', [], { ORCH_WS: 'ws://example.com/agent', AGENT_KEY: 'rpk_x' });
  expect(code).toBe(2);
  expect(text).toContain('wss://');
});

story('a port that is taken is one plain sentence', async (use) => {
  const cluster = use(await Cluster.start());
  const { code, text } = await run('cmd/orchestrator/main.ts', [], {
    RESPROXY_HTTP_PORT: String(cluster.ports.http),
    RESPROXY_GRPC_PORT: '0',
    RESPROXY_AGENT_PORT: '0',
    RESPROXY_ADMIN_PORT: '0',
    RESPROXY_KEYS: `file:${cluster.file('agent-keys.json')}`,
    RESPROXY_CALLERS: `file:${cluster.file('callers.json')}`,
    LOG_LEVEL: 'fatal',
  });
  expect(code).toBe(1);
  expect(text).toContain(String(cluster.ports.http));
  expect(text.split('\n').length).toBeLessThanOrEqual(2);
  expect(text).not.toContain(' at ');
});

story('keygen gives the secret alone on stdout and keeps only its digest', async (use) => {
  const cluster = use(await Cluster.start());
  const file = cluster.file('agent-keys.json');
  const { code, text } = await run('cmd/keygen/main.ts', ['--name', 'made', '--file', file]);
  expect(code).toBe(0);
  const key = /rpk_\S+/.exec(text)?.[0] ?? '';
  await cluster.orchestrator.waitForLog('reads the new key', ({ msg }) => msg === 'keys read again');
  const agent = await cluster.startAgent({ env: { AGENT_KEY: key }, detached: true });
  await cluster.waitForAgent('made/default');
  expect(agent.alive).toBe(true);
});

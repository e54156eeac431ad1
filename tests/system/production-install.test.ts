// What runs in production is enough by itself, in an empty folder each: the image, by the Dockerfile's own steps, as a user
// who may write nowhere but into the data folder; and the sources beside nothing but their packages.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { ImageFolder } from '../harness/image-folder.ts';
import { Origin } from '../harness/origin.ts';
import { listeningPorts } from '../harness/pod.ts';
import { type Program, projectDir } from '../harness/process.ts';
import { RestCaller, resultOf } from '../harness/rest-caller.ts';
import { SourceFolder } from '../harness/source-folder.ts';
import { shared, story, type Use } from '../harness/story.ts';

/** All packages are installed, on a machine that may be busy. */
const buildBoundMs = 300_000;
const image = shared(async (use) => use(await ImageFolder.build()), buildBoundMs);
const anyPorts = {
  RESPROXY_HTTP_PORT: '0',
  RESPROXY_GRPC_PORT: '0',
  RESPROXY_AGENT_PORT: '0',
  RESPROXY_ADMIN_PORT: '0',
};

interface Programs {
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Program;
  output(args: readonly string[]): Promise<string>;
}

/** Keygen, orchestrator and agent, a job through them, and SIGTERM to both. */
async function serve(use: Use, programs: Programs): Promise<void> {
  const origin = use(await Origin.start());
  const key = (await programs.output(['keygen', '--name', 'home'])).trim();
  const token = (await programs.output(['keygen', '--caller', 'checker', '--tenant', 'ads'])).trim();

  const orchestrator = programs.start(['orchestrator'], { ...anyPorts, RESPROXY_PLAINTEXT: 'agent,http,grpc' });
  use({ close: () => orchestrator.kill() });
  const ports = await listeningPorts(orchestrator);
  const agent = programs.start(['agent'], {
    ORCH_WS: `ws://127.0.0.1:${ports.agent}/agent`,
    AGENT_KEY: key,
    AGENT_ALLOW_ENDPOINTS: origin.endpoint,
  });
  use({ close: () => agent.kill() });
  await agent.waitForLog('connects', ({ msg }) => String(msg).startsWith('Connected to '));

  const answer = await new RestCaller(ports.http, token).runJob({ url: origin.url('/bytes/3') });
  expect(resultOf(answer).statusCode).toBe(200);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  expect(await orchestrator.stop(30_000)).toEqual({ code: 0, signal: null });
}

story(
  'keygen, orchestrator and agent of the image run read-only, a job succeeds, and SIGTERM ends both',
  async (use) => {
    await serve(use, image());
  },
);

story(
  'the same from sources after npm ci --omit=dev',
  async (use) => {
    await serve(use, use(await SourceFolder.install()));
  },
  buildBoundMs,
);

story('its programs cannot write beside the data folder', async () => {
  for (const file of ['/app/keys.json', '/app/programs/keys.json', '/keys.json']) {
    const written = image().output(['keygen', '--name', 'x', '--file', image().path(file)]);
    await expect(written).rejects.toThrow('EACCES');
  }
});

story('each of its programs knows its version, and settings that are not usable end it with status 2', async () => {
  const { version } = await readJson(join(projectDir, 'package.json'));
  for (const name of ['orchestrator', 'agent', 'operator'])
    expect(await image().output([name, '--version'])).toBe(`${version}\n`);
  await expect(image().output(['operator'])).rejects.toMatchObject({ code: 2 });
});

story('it holds programs and no packages, their licences, and a bill of materials', async () => {
  const { dependencies, devDependencies } = await readJson(join(projectDir, 'package.json'));
  const { packages } = await readJson(join(projectDir, 'package-lock.json'));
  expect((await readdir(image().path('/app'))).sort()).toEqual(['programs', 'sbom.cdx.json']);

  const { components } = await readJson(image().path('/app/sbom.cdx.json'));
  const named: string[] = components.map(({ group, name }: Component) => (group ? `${group}/${name}` : name));
  // Types of Node come along with a package that is needed at run time.
  const unwanted = Object.keys(devDependencies).filter((name) => packages[`node_modules/${name}`].dev);
  expect(unwanted).toContain('typescript');
  expect(unwanted.filter((name) => named.includes(name))).toEqual([]);
  expect(Object.keys(dependencies).filter((name) => !named.includes(name))).toEqual([]);

  const licences = await readFile(image().path('/app/programs/LICENCES.txt'), 'utf8');
  const told = [...licences.matchAll(/^==== (\S+) \d/gm)].map(([, name]) => name);
  expect(told).toEqual(expect.arrayContaining(['resproxy', ...Object.keys(dependencies)]));
  expect(told.filter((name) => name !== 'resproxy' && !named.includes(name ?? ''))).toEqual([]);
});

interface Component {
  readonly group?: string;
  readonly name: string;
}

async function readJson(file: string) {
  return JSON.parse(await readFile(file, 'utf8'));
}

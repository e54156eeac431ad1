// What the image holds is enough: the Dockerfile's steps in an empty folder, then the programs from there, as a user who
// may write nowhere but into the data folder.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { ImageFolder } from '../harness/image-folder.ts';
import { Origin } from '../harness/origin.ts';
import { listeningPorts } from '../harness/pod.ts';
import { projectDir } from '../harness/process.ts';
import { RestCaller, resultOf } from '../harness/rest-caller.ts';
import { shared, story } from '../harness/story.ts';

const image = shared(async (use) => use(await ImageFolder.build()));
const anyPorts = {
  RESPROXY_HTTP_PORT: '0',
  RESPROXY_GRPC_PORT: '0',
  RESPROXY_AGENT_PORT: '0',
  RESPROXY_ADMIN_PORT: '0',
};

story('keygen, orchestrator and agent run from it read-only, a job succeeds, and SIGTERM ends both', async (use) => {
  const origin = use(await Origin.start());
  const key = (await image().output(['keygen', '--name', 'home'])).trim();
  const token = (await image().output(['keygen', '--caller', 'checker', '--tenant', 'ads'])).trim();

  const env = { ...anyPorts, RESPROXY_PLAINTEXT: 'agent,http,grpc' };
  const orchestrator = image().start(['orchestrator'], env);
  use({ close: () => orchestrator.kill() });
  const ports = await listeningPorts(orchestrator);
  const agent = image().start(['agent'], {
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
});

story('its programs cannot write beside the data folder', async () => {
  for (const file of ['/app/keys.json', '/app/cmd/keys.json', '/keys.json']) {
    const written = image().output(['keygen', '--name', 'x', '--file', image().path(file)]);
    await expect(written).rejects.toThrow('EACCES');
  }
});

story('it holds no development package, and its bill of materials names what it does hold', async () => {
  const { dependencies, devDependencies } = await readJson(image().path('/app/package.json'));
  const { packages } = await readJson(join(projectDir, 'package-lock.json'));
  // Types of Node come along with a package that is needed at run time.
  const unwanted = Object.keys(devDependencies).filter((name) => packages[`node_modules/${name}`].dev);
  const installed = await readdir(image().path('/app/node_modules'), { recursive: true });
  const { components } = await readJson(image().path('/app/sbom.cdx.json'));
  const named: string[] = components.map(({ group, name }: Component) => (group ? `${group}/${name}` : name));
  expect(unwanted).toContain('typescript');
  for (const names of [installed, named]) {
    expect(unwanted.filter((name) => names.includes(name))).toEqual([]);
    expect(Object.keys(dependencies).filter((name) => !names.includes(name))).toEqual([]);
  }
});

interface Component {
  readonly group?: string;
  readonly name: string;
}

async function readJson(file: string) {
  return JSON.parse(await readFile(file, 'utf8'));
}

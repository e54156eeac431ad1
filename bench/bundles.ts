// The programs as they run in production: pods as the image runs them (npm run build), agents as the one file of homes
// (npm run build:agent), and the floors bundled the same way. Node holds 20 MiB for the types that it strips from sources,
// and no floor and no pod is to be measured by those.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundlePrograms } from '../scripts/bundle-programs.ts';
import { projectDir } from '../tests/harness/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'resproxy-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
const built = new Map<string, Promise<string>>();

/** What Node is given to run a pod. */
export async function podScript(): Promise<readonly string[]> {
  const main = await once('programs/main.mjs', () => build('build.ts', folder));
  return [main, 'orchestrator'];
}

export function agentScript(): Promise<string> {
  return once('agent.mjs', () => build('build-agent.ts', join(folder, 'agent.mjs')));
}

/** A script of bench/, such as a floor. */
export function bundled(script: string): Promise<string> {
  const name = script.replace(/\.ts$/, '');
  return once(`bench/${name}/main.mjs`, async (file) => {
    mkdirSync(dirname(file), { recursive: true });
    const files = await bundlePrograms({ main: `bench/${script}` });
    for (const [part, content] of files) writeFileSync(join(dirname(file), part), content);
  });
}

function build(script: string, target: string): void {
  execFileSync(process.execPath, [`${projectDir}scripts/${script}`, target], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function once(name: string, make: (file: string) => void | Promise<void>): Promise<string> {
  const file = join(folder, name);
  const making = built.get(name) ?? Promise.resolve(make(file)).then(() => file);
  built.set(name, making);
  return making;
}

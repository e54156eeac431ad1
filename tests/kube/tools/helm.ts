// Helm: from PATH, from this project's cache, or built into that cache by Go, in the version that helm/go.mod beside this file
// names. `node tests/kube/tools/helm.ts` builds it in advance.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { go } from '../../harness/tools.ts';

const moduleDir = join(import.meta.dirname, 'helm');
/** Of a cold build, with every library still to be fetched. */
export const helmBuildBoundMs = 20 * 60_000;

/** The path of Helm. */
export function helm(): string {
  if (spawnSync('helm', ['version'], { stdio: 'ignore', timeout: 10_000 }).status === 0) return 'helm';
  const version = helmVersion();
  const cacheDir = join(homedir(), '.cache', 'resproxy', `helm-${version}`);
  const cached = join(cacheDir, 'helm');
  if (!existsSync(cached)) build(cacheDir, cached, version);
  return cached;
}

function helmVersion(): string {
  const version = /helm\.sh\/helm\/v4 (v\S+)/.exec(readFileSync(join(moduleDir, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new Error('tests/kube/tools/helm/go.mod names no version of Helm');
  return version;
}

/** A program that is there is whole: it is moved there when it is done. */
function build(cacheDir: string, path: string, version: string): void {
  mkdirSync(cacheDir, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  process.stderr.write('building helm, once; this takes minutes\n');
  const flags = `-s -w -X helm.sh/helm/v4/internal/version.version=${version}`;
  execFileSync(go(), ['build', '-trimpath', '-ldflags', flags, '-o', unfinished, 'helm.sh/helm/v4/cmd/helm'], {
    cwd: moduleDir,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: helmBuildBoundMs,
  });
  renameSync(unfinished, path);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${helm()}\n`);

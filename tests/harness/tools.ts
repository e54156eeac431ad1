// The tools that system tests run. Each is found, or installed where that is ours to do, or its absence is an error that
// names the fix. Nothing is skipped.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const advice = {
  openssl: 'install it with `apt-get install openssl`',
  curl: 'install it with `apt-get install curl`',
  ip: 'install it with `apt-get install iproute2`',
  unshare: 'install it with `apt-get install util-linux`',
  setpriv: 'install it with `apt-get install util-linux`',
  nsenter: 'install it with `apt-get install util-linux`',
  mount: 'install it with `apt-get install mount`',
  'redis-server': 'install it with `apt-get install redis-server`',
  'redis-cli': 'install it with `apt-get install redis-tools`',
} as const;

export type Tool = keyof typeof advice;

const grpcurlVersion = 'v1.9.3';
const installBoundMs = 10 * 60_000;

/** The path of a tool, from PATH. */
export function tool(name: Tool): string {
  const path = onPath(name);
  if (path === undefined) throw new Error(`these tests need ${name}: ${advice[name]}`);
  return path;
}

/** grpcurl from PATH, from this project's cache, or built into that cache by Go. */
export function grpcurl(): string {
  const cacheDir = join(homedir(), '.cache', 'resproxy', `grpcurl-${grpcurlVersion}`);
  const cached = join(cacheDir, 'grpcurl');
  const found = onPath('grpcurl') ?? (existsSync(cached) ? cached : undefined);
  if (found !== undefined) return found;
  const goPath = onPath('go');
  const module = `github.com/fullstorydev/grpcurl/cmd/grpcurl@${grpcurlVersion}`;
  if (goPath === undefined)
    throw new Error(
      `these tests need grpcurl: install Go, or run \`go install ${module}\` elsewhere and put it on the PATH`,
    );
  execFileSync(goPath, ['install', module], {
    env: { ...process.env, GOBIN: cacheDir },
    stdio: 'pipe',
    timeout: installBoundMs,
  });
  return cached;
}

/** Go, for tools that are built. */
export function go(): string {
  const path = onPath('go');
  if (path === undefined) throw new Error('these tests need Go: install it from https://go.dev/dl or your system');
  return path;
}

function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/go/bin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

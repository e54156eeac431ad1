// Programs of others, written in Go: built once from the version that a go.mod beside this file names, into a cache outside
// the tree (`.cache/resproxy` of HOME). A cache of other versions is another folder.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { go } from '../../harness/tools.ts';

export interface GoProgram {
  readonly name: string;
  /** What `go build` is told to build. */
  readonly main: string;
  /** Where its go.mod lies. */
  readonly moduleDir: string;
  /** Folder of the cache: it names the versions. */
  readonly cacheName: string;
  /** Variables of the program, such as its version. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Of a cold build, with every library still to be fetched. */
const buildBoundMs = 60 * 60_000;

/** Its path. It is built when it is not there; a program that is there is whole: it is moved there when it is done. */
export function goProgram({ name, main, moduleDir, cacheName, variables = {} }: GoProgram): string {
  const cacheDir = join(homedir(), '.cache', 'resproxy', cacheName);
  const path = join(cacheDir, name);
  if (existsSync(path)) return path;
  mkdirSync(cacheDir, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const begun = performance.now();
  process.stderr.write(`building ${name}, once; this takes minutes\n`);
  const flags = ['-s', '-w', ...Object.entries(variables).map(([variable, value]) => `-X ${variable}=${value}`)];
  execFileSync(go(), ['build', '-trimpath', '-ldflags', flags.join(' '), '-o', unfinished, main], {
    cwd: moduleDir,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: buildBoundMs,
  });
  renameSync(unfinished, path);
  process.stderr.write(`built ${name} in ${Math.round((performance.now() - begun) / 1_000)} s\n`);
  return path;
}

/** The version of a module that a go.mod requires. */
export function versionIn(moduleDir: string, module: string): string {
  const version = readFileSync(join(moduleDir, 'go.mod'), 'utf8')
    .split('\n')
    .map((line) => line.trim().split(' '))
    .find(([name, word = '']) => name === module && word.startsWith('v'))?.[1];
  if (version === undefined) throw new Error(`${moduleDir}/go.mod does not require ${module}`);
  return version;
}

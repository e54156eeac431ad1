// The programs of a real API server, built once into a cache outside the tree: the versions are those of go.mod beside
// this file, and a cache of other versions is another folder. `node tests/kube/tools/build.ts` fills it in advance.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { go } from '../../harness/tools.ts';

const modules = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
} as const;

export type KubeProgram = keyof typeof modules;

const toolsDir = import.meta.dirname;
const buildBoundMs = 60 * 60_000;

/** The path of a program: from KUBEBUILDER_ASSETS (what envtest installs) if it is there, else from the cache. */
export function kubeProgram(name: KubeProgram): string {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets && existsSync(join(assets, name))) return join(assets, name);
  const cached = join(cacheDir(), name);
  if (!existsSync(cached)) build(name, cached);
  return cached;
}

function cacheDir(): string {
  const versions = `kube-${versionOf('k8s.io/kubernetes')}-etcd-${versionOf('go.etcd.io/etcd/server/v3')}`;
  return join(homedir(), '.cache', 'resproxy', `${versions}-${process.platform}-${process.arch}`);
}

/** A program that is there is whole: it is moved there when it is done. */
function build(name: KubeProgram, path: string): void {
  mkdirSync(cacheDir(), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  process.stderr.write(`building ${name}, once; this takes minutes\n`);
  execFileSync(go(), ['build', '-trimpath', '-ldflags', linkerFlags(), '-o', unfinished, modules[name]], {
    cwd: toolsDir,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: buildBoundMs,
  });
  renameSync(unfinished, path);
}

/** Without these the server calls itself v0.0.0, and whoever asks for its version believes it. */
function linkerFlags(): string {
  const version = versionOf('k8s.io/kubernetes');
  const [major = '', minor = ''] = version.slice(1).split('.');
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean', gitCommit: 'unknown' };
  const flags = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    Object.entries(values).map(([name, value]) => `-X ${path}.${name}=${value}`),
  );
  return ['-s', '-w', ...flags].join(' ');
}

function versionOf(module: string): string {
  const goMod = readFileSync(join(toolsDir, 'go.mod'), 'utf8');
  const version = goMod
    .split('\n')
    .map((line) => line.trim().split(' '))
    .find(([name, word = '']) => name === module && word.startsWith('v'))?.[1];
  if (version === undefined) throw new Error(`tests/kube/tools/go.mod does not require ${module}`);
  return version;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const name of Object.keys(modules)) process.stdout.write(`${kubeProgram(name as KubeProgram)}\n`);
}

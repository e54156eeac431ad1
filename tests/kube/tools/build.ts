// The programs of a real cluster: etcd, the API server, its controllers, the scheduler, kubectl, and kwok for nodes that are
// played. `node tests/kube/tools/build.ts` builds in advance whatever is not in the cache yet.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { goProgram, versionIn } from './go-program.ts';

const mains = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  kwok: 'sigs.k8s.io/kwok/cmd/kwok',
} as const;

export type KubeProgram = keyof typeof mains;

const toolsDir = import.meta.dirname;
const kwokDir = join(toolsDir, 'kwok');
const platform = `${process.platform}-${process.arch}`;

/** The path of a program: from KUBEBUILDER_ASSETS (what envtest installs) if it is there, else from the cache. */
export function kubeProgram(name: KubeProgram): string {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets && existsSync(join(assets, name))) return join(assets, name);
  return goProgram({ name, main: mains[name], ...(name === 'kwok' ? kwokModule() : kubeModule()) });
}

function kwokModule() {
  return { moduleDir: kwokDir, cacheName: `kwok-${versionIn(kwokDir, 'sigs.k8s.io/kwok')}-${platform}` };
}

function kubeModule() {
  const version = versionIn(toolsDir, 'k8s.io/kubernetes');
  const cacheName = `kube-${version}-etcd-${versionIn(toolsDir, mains.etcd)}-${platform}`;
  return { moduleDir: toolsDir, cacheName, variables: versionVariables(version) };
}

/** Without these the server calls itself v0.0.0, and whoever asks for its version believes it. */
function versionVariables(version: string): Record<string, string> {
  const [major = '', minor = ''] = version.slice(1).split('.');
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean', gitCommit: 'unknown' };
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    Object.entries(values).map(([name, value]) => [`${path}.${name}`, value]),
  );
  return Object.fromEntries(variables) as Record<string, string>;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const name of Object.keys(mains)) process.stdout.write(`${kubeProgram(name as KubeProgram)}\n`);
}

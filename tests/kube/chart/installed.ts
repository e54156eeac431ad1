// What a kubelet would do with a Deployment of a release, done here: its environment, its Secrets as files where they are
// mounted, and the token of its ServiceAccount, for a process of this machine.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeKubeconfig } from '../harness/kubeconfig.ts';
import type { ApiServer } from './api-server.ts';
import { at, type Manifest } from './chart.ts';

interface EnvVar {
  readonly name: string;
  readonly value?: string;
}

interface Named {
  readonly name: string;
}

export interface PodSettings {
  readonly env: Readonly<Record<string, string>>;
  /** KUBECONFIG of its ServiceAccount. */
  readonly kubeconfig: string;
}

/** Everything of `container` that a process needs, under `dir`. */
export async function podSettings(api: ApiServer, deployment: string, dir: string): Promise<PodSettings> {
  const manifest = getObject(api, 'deployment', deployment);
  const pod = at(manifest, 'spec.template.spec');
  const volumes = at(pod, 'volumes') as (Named & { secret?: { secretName: string } })[];
  const mounts = at(pod, 'containers.0.volumeMounts') as (Named & { mountPath: string })[];
  for (const { name, mountPath } of mounts) {
    const secret = volumes.find((volume) => volume.name === name)?.secret?.secretName;
    if (secret !== undefined) await writeSecret(api, secret, join(dir, mountPath));
  }
  const env = (at(pod, 'containers.0.env') as EnvVar[]).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value]],
  );
  const settings = env.map(([name, value = '']) => [name, value.replace('/etc/resproxy/', `${dir}/etc/resproxy/`)]);
  const kubeconfig = await kubeconfigOf(api, String(at(pod, 'serviceAccountName')), dir);
  return { env: Object.fromEntries(settings) as Record<string, string>, kubeconfig };
}

/** What lies in a Secret. */
export function secretOf(api: ApiServer, name: string): Readonly<Record<string, string>> {
  const { data = {} } = getObject(api, 'secret', name) as unknown as { data?: Record<string, string> };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

function getObject(api: ApiServer, kind: string, name: string): Manifest {
  return JSON.parse(api.kubectl(['get', kind, name, '-n', 'home', '-o', 'json']).stdout) as Manifest;
}

async function writeSecret(api: ApiServer, name: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [key, value] of Object.entries(secretOf(api, name)))
    await writeFile(join(folder, key), value, { mode: 0o600 });
}

async function kubeconfigOf(api: ApiServer, serviceAccount: string, dir: string): Promise<string> {
  const token = api.kubectl(['create', 'token', serviceAccount, '-n', 'home', '--duration=1h']).stdout.trim();
  const path = join(dir, `${serviceAccount}.kubeconfig`);
  await writeKubeconfig(path, { ...api.address, namespace: 'home', token });
  return path;
}

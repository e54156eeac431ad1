// kubeconfig files, in JSON, which is YAML too.
import { writeFile } from 'node:fs/promises';

export interface KubeconfigOptions {
  readonly server: string;
  readonly caFile?: string;
  /** Of the cluster, when it is not in a file. */
  readonly caData?: string;
  readonly namespace?: string;
  readonly certificate?: { readonly certFile: string; readonly keyFile: string };
  readonly token?: string;
}

export async function writeKubeconfig(path: string, options: KubeconfigOptions): Promise<void> {
  const { server, caFile, caData, namespace, certificate, token } = options;
  const cluster = {
    server,
    ...(caFile && { 'certificate-authority': caFile }),
    ...(caData && { 'certificate-authority-data': caData }),
  };
  const user = token ? { token } : { 'client-certificate': certificate?.certFile, 'client-key': certificate?.keyFile };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', ...(namespace && { namespace }) } }],
    'current-context': 'test',
  };
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
}

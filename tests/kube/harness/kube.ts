// The cluster that a test talks to: a control plane of its own, or the one that RESPROXY_TEST_KUBECONFIG names, in which
// nothing is left behind. What is asked of it goes through kubectl, as a user's would.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Program, projectDir } from '../../harness/process.ts';
import { TempDir } from '../../harness/temp.ts';
import { within } from '../../harness/waiting.ts';
import { kubeProgram } from '../tools/build.ts';
import { ControlPlane, type ControlPlaneOptions } from './control-plane.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/** Of a cluster that is not ours to stop and start. */
const foreignKubeconfig = process.env.RESPROXY_TEST_KUBECONFIG || undefined;

const kubectlBoundMs = 60_000;
const crd = 'agentkeys.resproxy.dev';

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

export class Kube {
  readonly #plane: ControlPlane | undefined;
  readonly #dir: TempDir;
  readonly kubeconfig: string;
  readonly #namespaces: string[] = [];
  readonly #bindings: string[] = [];
  #broughtCrd = false;
  #count = 0;

  private constructor(plane: ControlPlane | undefined, dir: TempDir, kubeconfig: string) {
    this.#plane = plane;
    this.#dir = dir;
    this.kubeconfig = kubeconfig;
  }

  /** Starts it, with the CRD installed: a cluster that has one already keeps its own. */
  static async start(options: ControlPlaneOptions = {}): Promise<Kube> {
    const plane = foreignKubeconfig === undefined ? await ControlPlane.start(options) : undefined;
    const kube = new Kube(plane, await TempDir.make(), plane?.adminKubeconfig ?? foreignKubeconfig ?? '');
    try {
      if ((await kube.try('get', 'crd', crd)).code !== 0) {
        kube.#broughtCrd = true;
        await kube.kubectl('apply', '--server-side', '-f', `k8s/crd/${crd}.yaml`);
      }
      await kube.kubectl('wait', '--for=condition=Established', `crd/${crd}`, '--timeout=30s');
      return kube;
    } catch (error) {
      await kube.close();
      throw error;
    }
  }

  /** Only of a control plane of our own. */
  get plane(): ControlPlane {
    if (!this.#plane) throw new Error('this cluster is not ours to stop');
    return this.#plane;
  }

  /** Where its API server is. */
  async server(): Promise<URL> {
    return new URL(await this.kubectl('config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}'));
  }

  /** Its output; rejects with it when kubectl fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { code, output } = await this.try(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}\n${output}`);
    return output;
  }

  async try(...args: readonly string[]): Promise<Outcome> {
    return await this.#run(this.kubeconfig, args);
  }

  /** As whoever the kubeconfig belongs to. */
  async tryAs(kubeconfig: string, ...args: readonly string[]): Promise<Outcome> {
    return await this.#run(kubeconfig, args);
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl(...args, '-o', 'json')) as T;
  }

  /** What the API server answers there, however long it is. */
  async raw(path: string): Promise<string> {
    const args = ['--kubeconfig', this.kubeconfig, 'get', '--raw', path];
    const bounds = { maxBuffer: 256 * 1024 * 1024, timeout: kubectlBoundMs };
    return (await promisify(execFile)(kubeProgram('kubectl'), args, bounds)).stdout;
  }

  /** Applies an object, or the text of a file. */
  async apply(manifest: object | string, ...args: readonly string[]): Promise<void> {
    const file = this.#dir.file(`manifest-${this.#count++}.yaml`);
    await writeFile(file, typeof manifest === 'string' ? manifest : JSON.stringify(manifest), { mode: 0o600 });
    await this.kubectl('apply', '-f', file, ...args);
  }

  /** Creates them all, with one request each. */
  async createAll(items: readonly object[]): Promise<void> {
    await this.kubectl('create', '-f', await this.#listFile(items));
  }

  /** Creates each and returns what the server answered, in the same order. */
  async create<T>(items: readonly object[]): Promise<readonly T[]> {
    const output = await this.kubectl('create', '-f', await this.#listFile(items), '-o', 'json');
    // One document after the other, not a list of them.
    return output.split(/^(?=\{)/m).map((text) => JSON.parse(text) as T);
  }

  /** A new namespace with the ServiceAccounts and the rights that this project documents. */
  async namespace(): Promise<string> {
    const namespace = `resproxy-test-${randomBytes(4).toString('hex')}`;
    this.#namespaces.push(namespace);
    await this.kubectl('create', 'namespace', namespace);
    for (const name of ['operator', 'orchestrator']) {
      const text = await readFile(`${projectDir}k8s/rbac/${name}.yaml`, 'utf8');
      await this.apply(text.replaceAll('namespace: resproxy', `namespace: ${namespace}`));
    }
    return namespace;
  }

  /** Gives a ServiceAccount a ClusterRole that every cluster has. */
  async bindCluster(role: string, namespace: string, serviceAccount: string): Promise<void> {
    const name = `${namespace}-${serviceAccount}-${role.replaceAll(':', '-')}`;
    if (this.#bindings.includes(name)) return;
    this.#bindings.push(name);
    const flags = [`--clusterrole=${role}`, `--serviceaccount=${namespace}:${serviceAccount}`];
    await this.kubectl('create', 'clusterrolebinding', name, ...flags);
  }

  /** The kubeconfig of a ServiceAccount, by a token as its pods would get. */
  async kubeconfigOf(namespace: string, serviceAccount: string): Promise<string> {
    const token = (await this.kubectl('create', 'token', serviceAccount, '-n', namespace, '--duration=1h')).trim();
    const { clusters } = await this.json<{ clusters: { cluster: Record<string, string> }[] }>(
      'config',
      'view',
      '--raw',
      '--minify',
      '--flatten',
    );
    const cluster = clusters[0]?.cluster ?? {};
    const path = this.#dir.file(`${namespace}-${serviceAccount}-${this.#count++}.kubeconfig`);
    const { server = '', 'certificate-authority-data': caData } = cluster;
    await writeKubeconfig(path, { server, ...(caData && { caData }), namespace, token });
    return path;
  }

  async close(): Promise<void> {
    if (this.#plane) await this.#plane.close();
    else await this.#leave();
    await this.#dir.close();
  }

  /** Takes what was brought into a cluster that stays. */
  async #leave(): Promise<void> {
    if (this.#bindings.length > 0) await this.kubectl('delete', 'clusterrolebinding', ...this.#bindings);
    if (this.#namespaces.length > 0) await this.kubectl('delete', 'namespace', ...this.#namespaces, '--timeout=50s');
    if (this.#broughtCrd) await this.kubectl('delete', 'crd', crd, '--timeout=50s');
  }

  async #listFile(items: readonly object[]): Promise<string> {
    const file = this.#dir.file(`list-${this.#count++}.json`);
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }), { mode: 0o600 });
    return file;
  }

  async #run(kubeconfig: string, args: readonly string[]): Promise<Outcome> {
    const program = new Program({
      name: `kubectl ${args[0]}`,
      command: kubeProgram('kubectl'),
      args: ['--kubeconfig', kubeconfig, ...args],
    });
    try {
      const { code } = await within(`kubectl ${args.join(' ')}`, kubectlBoundMs, program.exited);
      return { code, output: program.output.join('\n') };
    } finally {
      await program.kill();
    }
  }
}

// What a kubelet does, done with processes of this machine: kwok says that the pods on its nodes run, and these are what
// runs. A container gets from its Pod in the API server what a node would give it: command, environment, volumes where they
// are mounted, the token of its ServiceAccount, names of Services; its programs are those of the image. It shares the
// machine's network, where the address of its pod is a loopback address; it has /etc and /run of its own.
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageFolder } from '../../harness/image-folder.ts';
import type { Program } from '../../harness/process.ts';
import { TempDir } from '../../harness/temp.ts';
import { tool } from '../../harness/tools.ts';
import { until } from '../../harness/waiting.ts';
import type { Manifest } from '../chart/chart.ts';
import type { ApiServer } from './api-server.ts';
import { type Container, containerOf, type Pod } from './pod.ts';
import { PodFiles } from './pod-files.ts';

interface Mount {
  /** A folder of this machine. */
  readonly from: string;
  readonly to: string;
}

/** Mounts one folder on another for each pair of words, until `--`; then come the folder to be in, and the command. */
const mounting =
  'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 1; shift 2; done; cd "$2"; shift 2; exec "$@"';

export class Kubelet {
  readonly #api: ApiServer;
  readonly #image: ImageFolder;
  readonly #namespace: string;
  readonly #dirs: TempDir[] = [];
  readonly #programs: Program[] = [];
  /** Those that run here, in the order of their start. */
  readonly #pods: Pod[] = [];

  constructor(api: ApiServer, image: ImageFolder, namespace: string) {
    this.#api = api;
    this.#image = image;
    this.#namespace = namespace;
  }

  get programs(): readonly Program[] {
    return this.#programs;
  }

  /** Pods with that label that are bound to a node and have an address. */
  pods(component: string, count: number): Promise<readonly Pod[]> {
    const selector = `app.kubernetes.io/component=${component}`;
    return until(`${count} pods of ${component}`, () => {
      const args = ['get', 'pods', '-n', this.#namespace, '-l', selector, '-o', 'json'];
      const { items } = JSON.parse(this.#api.kubectl(args).stdout) as { items: Pod[] };
      return items.length === count && items.every(({ status }) => status.podIP !== undefined) && items;
    });
  }

  async run(pod: Pod, containerName: string): Promise<Program> {
    const container = containerOf(pod, containerName);
    const files = new PodFiles(this.#api, pod);
    const mounts = await this.#mounts(pod, container, files);
    const { command, args = [] } = container;
    const [node = '', ...rest] = command ?? [];
    const program = this.#image.start([...rest, ...args], this.#env(pod, files.env(container)), {
      prefix: [...inOwnMounts(), ...mounts.flatMap(({ from, to }) => [from, to]), '--', this.#image.path('/data')],
      ...(command && { entrypoint: [node] }),
    });
    this.#programs.push(program);
    if (!this.#pods.includes(pod)) this.#pods.push(pod);
    return program;
  }

  /** Tells the API server how a pod ended: its containers ran here. */
  ended({ metadata }: Pod, phase: 'Succeeded' | 'Failed'): void {
    const patch = JSON.stringify({ status: { phase } });
    const args = ['patch', 'pod', metadata.name, '-n', metadata.namespace, '--subresource=status', '--type=merge'];
    this.#api.kubectl([...args, '-p', patch]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    await Promise.all(this.#dirs.map((dir) => dir.close()));
  }

  /** As the pod says; and since all pods are this machine, each listens on its own address instead of all of them. */
  #env({ status: { podIP = '' } }: Pod, env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const { hostname, port } = new URL(this.#api.address.server);
    const server = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    return { RESPROXY_BIND: podIP, RESPROXY_ADMIN_BIND: podIP, ...server, ...env };
  }

  async #mounts(pod: Pod, { volumeMounts = [] }: Container, files: PodFiles): Promise<readonly Mount[]> {
    const dir = await TempDir.make();
    this.#dirs.push(dir);
    await mkdir(dir.file('etc'));
    await mkdir(dir.file('run'));
    await writeFile(dir.file('etc/hosts'), this.#hosts());
    await writeFile(dir.file('etc/nsswitch.conf'), 'hosts: files\n');
    const mounts: Mount[] = [];
    for (const { name, mountPath } of volumeMounts) {
      const volume = pod.spec.volumes?.find((each) => each.name === name);
      if (!volume) throw new Error(`${pod.metadata.name} has no volume ${name}`);
      const path = mountPath.replace(/^\/var\/run\//, '/run/');
      const isHere = /^\/(etc|run)\//.test(path);
      const folder = join(dir.path, isHere ? path : name);
      const content = files.content(volume);
      await mkdir(folder, { recursive: true });
      if (content === 'writable') await chmod(folder, 0o777);
      else for (const [file, text] of content) await writeFile(join(folder, file), text, { mode: 0o444 });
      if (!isHere) mounts.push({ from: folder, to: this.#image.path(path) });
    }
    return [...mounts, { from: dir.file('etc'), to: '/etc' }, { from: dir.file('run'), to: '/run' }];
  }

  /** Names of Services lead to the pods behind them that run by now. Their ports are the pods' in this chart. */
  #hosts(): string {
    const args = ['get', 'services', '-n', this.#namespace, '-o', 'json'];
    const { items } = JSON.parse(this.#api.kubectl(args).stdout) as { items: Manifest[] };
    const lines = items.flatMap(({ metadata, spec }) => {
      const { selector = {} } = spec as { selector?: Readonly<Record<string, string>> };
      const behind = this.#pods.filter((pod) =>
        Object.entries(selector).every(([label, value]) => pod.metadata.labels?.[label] === value),
      );
      return behind.map(({ status }) => `${status.podIP} ${metadata.name}.${this.#namespace}.svc\n`);
    });
    return ['127.0.0.1 localhost\n', ...lines].join('');
  }
}

/** The words of the script above follow. */
function inOwnMounts(): readonly string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return [tool('unshare'), ...asRoot, '--mount', '--', 'sh', '-c', mounting, 'sh'];
}

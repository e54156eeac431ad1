// A control plane as those who install see it: kubectl and Helm, what they print, and what the API server warns of. Always
// one of our own: these tests delete resources that a cluster has once, and play its nodes.
import { spawnSync } from 'node:child_process';
import { Program } from '../../harness/process.ts';
import type { Manifest } from '../chart/chart.ts';
import { ControlPlane, type ControlPlaneOptions } from '../harness/control-plane.ts';
import { kubeProgram } from '../tools/build.ts';
import { helm } from '../tools/helm.ts';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  /** Warnings of the API server among others. */
  readonly stderr: string;
}

/** What client-go logs of itself: among it, now and then, that a watch has ended which Helm itself gave up. */
const informationalLine = /^I\d{4} .*(\n|$)/gm;
const runBoundMs = 100_000;
const maxOutputBytes = 64 * 1024 * 1024;

export class ApiServer {
  readonly #plane: ControlPlane;
  readonly #started: Program[] = [];

  private constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  static async start(options?: ControlPlaneOptions): Promise<ApiServer> {
    return new ApiServer(await ControlPlane.start(options));
  }

  /** For kubeconfigs of others than the administrator. */
  get address(): { readonly server: string; readonly caFile: string } {
    return { server: this.#plane.url, caFile: this.#plane.caFile };
  }

  /** Runs kubectl and throws when it fails. */
  kubectl(args: readonly string[], input = ''): Ran {
    const ran = this.tryKubectl(args, input);
    if (ran.status !== 0) throw new Error(`kubectl ${args.join(' ')}\n${ran.stderr}`);
    return ran;
  }

  tryKubectl(args: readonly string[], input = ''): Ran {
    return this.run(kubeProgram('kubectl'), args, input);
  }

  object(kind: string, name: string, namespace: string): Manifest {
    return JSON.parse(this.kubectl(['get', kind, name, '-n', namespace, '-o', 'json']).stdout) as Manifest;
  }

  /** Runs Helm and throws when it fails, with what may explain it. */
  helm(args: readonly string[]): Ran {
    const ran = this.tryHelm(args);
    if (ran.status !== 0) throw new Error(`helm ${args.join(' ')}\n${ran.stderr}\n${this.#state()}`);
    return ran;
  }

  tryHelm(args: readonly string[]): Ran {
    return this.run(helm(), args);
  }

  /** Starts Helm, for what ends only when the test has done something meanwhile. */
  startHelm(args: readonly string[]): Program {
    const env = { KUBECONFIG: this.#plane.adminKubeconfig };
    const program = new Program({ name: `helm ${args[0]}`, command: helm(), args, env });
    this.#started.push(program);
    return program;
  }

  /** A namespace that enforces the strictest Pod Security, and warns of what it would refuse. */
  restrictedNamespace(name: string): void {
    this.kubectl(['create', 'namespace', name]);
    const levels = ['enforce', 'warn', 'audit'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
    this.kubectl(['label', 'namespace', name, ...levels]);
  }

  /** A class of volumes that is the default, with that many volumes. */
  volumes(count: number): void {
    const metadata = { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } };
    const local = { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' };
    const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata, ...local };
    const volumes = Array.from({ length: count }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `volume-${i}` },
      spec: {
        capacity: { storage: '5Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'local',
        hostPath: { path: '/nowhere' },
      },
    }));
    this.kubectl(
      ['create', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [storageClass, ...volumes] }),
    );
  }

  run(command: string, args: readonly string[], input = ''): Ran {
    const env = { ...process.env, KUBECONFIG: this.#plane.adminKubeconfig };
    const bounds = { timeout: runBoundMs, maxBuffer: maxOutputBytes };
    const { status, stdout, stderr } = spawnSync(command, args, { env, input, encoding: 'utf8', ...bounds });
    return { status, stdout, stderr: withoutInformation(stderr) };
  }

  #state(): string {
    const pods = this.tryKubectl(['get', 'pods', '-A', '-o', 'wide']).stdout;
    const events = this.tryKubectl(['get', 'events', '-A', '--sort-by=.lastTimestamp']).stdout;
    return `${pods}\n${events.split('\n').slice(-25).join('\n')}`;
  }

  async close(): Promise<void> {
    await Promise.all(this.#started.map((program) => program.kill()));
    await this.#plane.close();
  }
}

/** What a program said, without what is of no weight: warnings of the API server are not among it, and stay. */
export function withoutInformation(said: string): string {
  return said.replace(informationalLine, '');
}

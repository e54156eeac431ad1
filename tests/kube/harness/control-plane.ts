// A control plane of one's own: etcd, kube-apiserver and kube-controller-manager as child processes on loopback ports of
// the system's choice, with real certificates, real ServiceAccount tokens and RBAC on. With nodes, which kwok plays, there
// are the scheduler and the controllers of workloads too.
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { Program } from '../../harness/process.ts';
import { TempDir } from '../../harness/temp.ts';
import { tool } from '../../harness/tools.ts';
import { until } from '../../harness/waiting.ts';
import { type KubeProgram, kubeProgram } from '../tools/build.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { kwokFlags, nodeObjects, workloadControllers } from './nodes.ts';
import { Pki } from './pki.ts';

export interface ControlPlaneOptions {
  /** Nodes, each in a zone of its own; none by default. */
  readonly nodes?: number;
}

/** Collects what an owner leaves behind, empties namespaces, gives each its ServiceAccount. */
const fewControllers = ['garbage-collector-controller', 'namespace-controller', 'serviceaccount-controller'];
const startBoundMs = 90_000;

export class ControlPlane {
  readonly adminKubeconfig: string;
  readonly #dir: TempDir;
  readonly #pki: Pki;
  readonly #port: number;
  readonly #etcdUrl: string;
  readonly #programs: Program[] = [];
  #server: Program | undefined;

  private constructor(dir: TempDir, pki: Pki, { port, etcdPort }: { port: number; etcdPort: number }) {
    this.#dir = dir;
    this.#pki = pki;
    this.#port = port;
    this.#etcdUrl = `http://127.0.0.1:${etcdPort}`;
    this.adminKubeconfig = dir.file('admin.kubeconfig');
  }

  static async start({ nodes = 0 }: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const dir = await TempDir.make();
    const [port, etcdPort, etcdPeerPort, controllerPort, schedulerPort] = await freePorts();
    const plane = new ControlPlane(dir, new Pki(dir.path), { port, etcdPort });
    try {
      plane.#runEtcd(etcdPeerPort);
      await writeKubeconfig(plane.adminKubeconfig, {
        server: plane.url,
        caFile: plane.#pki.file('ca.crt'),
        certificate: { certFile: plane.#pki.file('admin.crt'), keyFile: plane.#pki.file('admin.key') },
      });
      await plane.startServer();
      plane.#runControllers([...fewControllers, ...(nodes > 0 ? workloadControllers : [])], controllerPort);
      if (nodes > 0) await plane.#runNodes(nodes, schedulerPort);
      return plane;
    } catch (error) {
      await plane.close();
      throw error;
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  get caFile(): string {
    return this.#pki.file('ca.crt');
  }

  /** Starts the API server, or starts it again, and waits until it is ready. */
  async startServer(): Promise<void> {
    const { file } = { file: (name: string) => this.#pki.file(name) };
    const server = this.#run('kube-apiserver', [
      `--etcd-servers=${this.#etcdUrl}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${this.#port}`,
      `--tls-cert-file=${file('server.crt')}`,
      `--tls-private-key-file=${file('server.key')}`,
      `--client-ca-file=${file('ca.crt')}`,
      '--authorization-mode=RBAC',
      `--service-account-key-file=${file('tokens.pub')}`,
      `--service-account-signing-key-file=${file('tokens.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.0.0.0/24',
      '--endpoint-reconciler-type=none',
      `--cert-dir=${this.#dir.path}`,
    ]);
    this.#server = server;
    await until('the API server is ready', () => this.#isReady(server), startBoundMs);
  }

  /** Kills the API server; what it knows is in etcd. */
  async killServer(): Promise<void> {
    await this.#server?.kill();
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    await this.#dir.close();
  }

  #runEtcd(peerPort: number): void {
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#run('etcd', [
      `--data-dir=${this.#dir.file('etcd')}`,
      `--listen-client-urls=${this.#etcdUrl}`,
      `--advertise-client-urls=${this.#etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      '--unsafe-no-fsync=true',
      '--log-level=error',
    ]);
  }

  #runControllers(controllers: readonly string[], port: number): void {
    this.#run('kube-controller-manager', [
      `--kubeconfig=${this.adminKubeconfig}`,
      `--controllers=${controllers.join(',')}`,
      // Nodes that are played have no heartbeat.
      '--node-monitor-grace-period=1h',
      `--service-account-private-key-file=${this.#pki.file('tokens.key')}`,
      `--root-ca-file=${this.#pki.file('ca.crt')}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--cert-dir=${this.#dir.path}`,
      '--leader-elect=false',
    ]);
  }

  async #runNodes(count: number, schedulerPort: number): Promise<void> {
    this.#run('kube-scheduler', [
      `--kubeconfig=${this.adminKubeconfig}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${schedulerPort}`,
      `--cert-dir=${this.#dir.path}`,
      '--leader-elect=false',
    ]);
    this.#run('kwok', [`--kubeconfig=${this.adminKubeconfig}`, ...kwokFlags()]);
    const file = this.#dir.file('nodes.json');
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: nodeObjects(count) }));
    await this.#kubectl('create', '-f', file);
    await this.#kubectl('wait', 'nodes', '--all', '--for=condition=Ready', '--timeout=60s');
  }

  #run(name: KubeProgram, args: readonly string[]): Program {
    // They end with the tests, however those end.
    const prefix = [tool('setpriv'), '--pdeathsig', 'KILL'];
    const program = new Program({ name, command: kubeProgram(name), args, prefix, cwd: this.#dir.path });
    this.#programs.push(program);
    return program;
  }

  async #isReady(server: Program): Promise<boolean> {
    if (!server.alive) throw new Error(`the API server ended\n${server.tail()}`);
    const kubectl = this.#startKubectl('get', '--raw', '/readyz', '--request-timeout=5s');
    return (await kubectl.exited).code === 0;
  }

  async #kubectl(...args: readonly string[]): Promise<void> {
    const kubectl = this.#startKubectl(...args);
    if ((await kubectl.exited).code !== 0) throw new Error(`kubectl ${args.join(' ')}\n${kubectl.tail()}`);
  }

  #startKubectl(...args: readonly string[]): Program {
    const command = kubeProgram('kubectl');
    return new Program({ name: 'kubectl', command, args: ['--kubeconfig', this.adminKubeconfig, ...args] });
  }
}

/** Held all at once, so that they differ. */
async function freePorts(): Promise<[number, number, number, number, number]> {
  const servers = await Promise.all(
    [0, 1, 2, 3, 4].map(async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = ports;
  return [a, b, c, d, e];
}

// Many real orchestrators over one real Redis, with real agents: one keys file, one callers file, one authority for
// peers, and a balancer in front. Pods can be killed, terminated, frozen, and replaced under their name on new ports.
import { Access, firstKey } from './access.ts';
import { agentProgram } from './agent-program.ts';
import { Balancer } from './balancer.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { FaultProxy } from './fault-proxy.ts';
import { listeningPort, Pod } from './pod.ts';
import type { Exit, Program } from './process.ts';
import { RedisServer } from './redis.ts';
import { TempDir } from './temp.ts';
import { until } from './waiting.ts';

export interface FleetOptions {
  readonly pods?: readonly string[];
  /** Settings of every pod, on top of the defaults here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Pods that the others reach only through a line that can misbehave. */
  readonly faultyPeers?: readonly string[];
  /** What Node runs as a pod: the sources by default, or what the image has of them. */
  readonly script?: readonly string[];
}

export interface FleetAgentOptions {
  /** Name of its key, home-1 by default; a key is made when there is none. */
  readonly keyName?: string;
  /** AGENT_NAME. */
  readonly name: string;
  /** The pod that it dials, or the port; the balancer by default. */
  readonly to?: string | number;
  readonly env?: Readonly<Record<string, string>>;
}

const threePods = ['pod-a', 'pod-b', 'pod-c'];
/** Where a pod listens, and where one behind a faulty line says it does: the proxy has the same port on it. */
const podAddress = '127.0.0.1';
const lineAddress = '127.0.0.2';

export class Fleet {
  readonly redis: RedisServer;
  readonly access: Access;
  readonly #options: FleetOptions;
  readonly #dir: TempDir;
  readonly #certificates: Certificates;
  /** The newest process of each name, dead or alive. */
  readonly #pods: Map<string, Pod>;
  readonly #agents: Program[] = [];
  readonly #balancers: Balancer[] = [];
  readonly #lines = new Map<string, FaultProxy>();

  private constructor(
    options: FleetOptions,
    parts: { redis: RedisServer; access: Access; dir: TempDir; pods: Map<string, Pod> },
  ) {
    this.#options = options;
    this.redis = parts.redis;
    this.access = parts.access;
    this.#dir = parts.dir;
    this.#pods = parts.pods;
    this.#certificates = makeCertificates(parts.dir.path, ['DNS:resproxy-peer']);
  }

  /** Resolves when every pod is ready; that they know each other is for `view.ts` to tell. */
  static async start(options: FleetOptions = {}): Promise<Fleet> {
    const [dir, redis] = [await TempDir.make(), await RedisServer.start()];
    const pods = new Map<string, Pod>();
    const access = await Access.make(dir, () => alive(pods).map(({ program }) => program));
    const fleet = new Fleet(options, { redis, access, dir, pods });
    try {
      await Promise.all((options.pods ?? threePods).map((name) => fleet.startPod(name)));
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** Those whose process lives, by name. */
  get pods(): readonly Pod[] {
    return alive(this.#pods).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get agents(): readonly Program[] {
    return this.#agents;
  }

  pod(name: string): Pod {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`there is no ${name}`);
    return pod;
  }

  /** Starts a pod; one that had this name must be dead. */
  async startPod(name: string): Promise<Pod> {
    const before = this.#pods.get(name);
    if (before?.program.alive) throw new Error(`${name} still runs`);
    await before?.close();
    const { token, env } = this.access;
    const podEnv = { ...env, ...this.#podEnv(name) };
    const { script } = this.#options;
    const pod = await Pod.start({ name, cwd: this.#dir.path, env: podEnv, token, script });
    this.#pods.set(name, pod);
    if (this.#options.faultyPeers?.includes(name)) await this.#layLine(pod);
    return pod;
  }

  /** As a power cut would. */
  async kill(name: string): Promise<void> {
    await this.pod(name).program.kill();
  }

  /** Asks it to go, and says how it went. */
  terminate(name: string, boundMs: number): Promise<Exit> {
    return this.pod(name).program.stop(boundMs);
  }

  /** The kernel goes on accepting connections and bytes for it; it does nothing. */
  freeze(name: string): void {
    this.pod(name).program.signal('SIGSTOP');
  }

  thaw(name: string): void {
    this.pod(name).program.signal('SIGCONT');
  }

  /** In front of all pods, or of one: its ports stay the same when the pod is replaced. */
  async balancer(podName?: string): Promise<Balancer> {
    const backends = podName === undefined ? () => this.#pods.values() : () => [this.pod(podName)];
    const balancer = await Balancer.start({ backends });
    this.#balancers.push(balancer);
    return balancer;
  }

  /** The line between that pod's peer port and the other pods. */
  line(podName: string): FaultProxy {
    const line = this.#lines.get(podName);
    if (!line) throw new Error(`${podName} has no faulty line`);
    return line;
  }

  /** Starts an agent, and returns once its process runs. */
  async startAgent({ keyName = firstKey, name, to, env = {} }: FleetAgentOptions): Promise<Program> {
    const key = await this.access.key(keyName);
    const port = typeof to === 'string' ? this.pod(to).ports.agent : (to ?? (await this.#agentPort()));
    const agent = agentProgram({ name, keyName, key, port, cwd: this.#dir.path, env });
    this.#agents.push(agent);
    return agent;
  }

  /** Resolves when every pod that lives lists exactly these agents as connected. */
  async waitForAgents(agentIds: readonly string[], boundMs?: number): Promise<void> {
    const wanted = [...agentIds].sort().join(' ');
    const lists = async (pod: Pod) => (await pod.agents()).map(({ agentId }) => agentId);
    await until(
      `every pod lists ${wanted}`,
      async () => (await Promise.all(this.pods.map(lists))).every((ids) => ids.sort().join(' ') === wanted),
      boundMs,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    await Promise.all(this.#balancers.map((balancer) => balancer.close()));
    await Promise.all([...this.#pods.values()].map((pod) => pod.close()));
    await Promise.all([...this.#lines.values()].map((line) => line.close()));
    await this.redis.close();
    await this.#dir.close();
  }

  async #agentPort(): Promise<number> {
    const balancer = this.#balancers[0] ?? (await this.balancer());
    return balancer.port('agent');
  }

  #podEnv(name: string): Record<string, string> {
    const { certFile, keyFile, caFile } = this.#certificates;
    const { faultyPeers, env } = this.#options;
    return {
      REDIS_URL: this.redis.url,
      RESPROXY_POD_ID: name,
      RESPROXY_POD_ADDRESS: faultyPeers?.includes(name) ? lineAddress : podAddress,
      RESPROXY_PEER_PORT: '0',
      RESPROXY_PEER_TLS_CERT: certFile,
      RESPROXY_PEER_TLS_KEY: keyFile,
      RESPROXY_PEER_TLS_CA: caFile,
      RESPROXY_DRAIN_SPREAD_MS: '500',
      ...env,
    };
  }

  async #layLine({ name, program }: Pod): Promise<void> {
    await this.#lines.get(name)?.close();
    const port = await listeningPort(program, 'peer');
    this.#lines.set(name, await FaultProxy.start(port, { host: lineAddress, port }));
  }
}

function alive(pods: ReadonlyMap<string, Pod>): Pod[] {
  return [...pods.values()].filter(({ program }) => program.alive);
}

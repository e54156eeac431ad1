// One real orchestrator alone, as most tests want it, with real agents, its keys, its callers and its data in a folder of
// its own. Many of them together are a Fleet.
import type { Agent } from '../../gen/resproxy/v1/agent_pb.ts';
import { Access, firstKey } from './access.ts';
import { agentProgram } from './agent-program.ts';
import type { KeyEntry } from './credentials.ts';
import type { GrpcCaller } from './grpc-caller.ts';
import type { Metrics } from './metrics.ts';
import { Pod, type Ports } from './pod.ts';
import type { Program } from './process.ts';
import type { RestCaller } from './rest-caller.ts';
import { TempDir } from './temp.ts';
import { until } from './waiting.ts';

export interface ClusterOptions {
  /** Settings of the orchestrator, on top of the defaults here. */
  readonly env?: Readonly<Record<string, string>>;
  /** In PEM, when the gRPC door speaks TLS. */
  readonly ca?: string | undefined;
  /** What Node runs as the orchestrator: the sources by default, or what the image has of them. */
  readonly script?: readonly string[];
  /** Issuers whose tokens callers may show. */
  readonly providers?: readonly object[];
}

export interface AgentOptions {
  /** Name of its key, home-1 by default; a key is made when there is none. */
  readonly keyName?: string;
  /** AGENT_NAME. */
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it dials; the orchestrator itself by default. */
  readonly port?: number;
  /** Return once the process runs, without waiting until it is connected. */
  readonly detached?: boolean;
  /** A command that runs it elsewhere, such as in another network. */
  readonly prefix?: readonly string[];
  /** What Node runs: the sources by default, or a bundle. */
  readonly script?: string;
}

export class Cluster {
  readonly #pod: Pod;
  readonly #access: Access;
  readonly #dir: TempDir;
  readonly #agents: Program[] = [];

  private constructor(pod: Pod, access: Access, dir: TempDir) {
    this.#pod = pod;
    this.#access = access;
    this.#dir = dir;
  }

  static async start({ env = {}, ca, script, providers }: ClusterOptions = {}): Promise<Cluster> {
    const dir = await TempDir.make();
    const pods: Pod[] = [];
    try {
      const access = await Access.make(dir, () => pods.map(({ program }) => program), providers);
      const { token } = access;
      const podEnv = { ...access.env, ...env };
      const pod = await Pod.start({ name: 'orchestrator', cwd: dir.path, env: podEnv, token, ca, script });
      pods.push(pod);
      return new Cluster(pod, access, dir);
    } catch (error) {
      await dir.close();
      throw error;
    }
  }

  get orchestrator(): Program {
    return this.#pod.program;
  }

  get ports(): Ports {
    return this.#pod.ports;
  }

  /** Of a caller with every scope, tenant `acme`. */
  get token(): string {
    return this.#access.token;
  }

  get grpc(): GrpcCaller {
    return this.#pod.grpc;
  }

  get rest(): RestCaller {
    return this.#pod.rest;
  }

  /** Starts an agent and waits until the pod lists it. */
  async startAgent(options: AgentOptions = {}): Promise<Program> {
    const { keyName = firstKey, name = 'default', port = this.ports.agent, detached = false, ...rest } = options;
    const key = await this.#access.key(keyName);
    const agent = agentProgram({ name, keyName, key, port, cwd: this.#dir.path, ...rest });
    this.#agents.push(agent);
    if (!detached) await this.waitForAgent(`${keyName}/${name}`);
    return agent;
  }

  /** Adds an entry to the keys file, and returns the key. As every change of that file, it waits until the pod knows. */
  addKey(entry: Partial<KeyEntry> & { readonly name: string }): Promise<string> {
    return this.#access.addKey(entry);
  }

  /** Takes the key out of the file. */
  revokeKey(name: string): Promise<void> {
    return this.#access.revokeKey(name);
  }

  changeKey(name: string, change: Partial<KeyEntry>): Promise<void> {
    return this.#access.changeKey(name, change);
  }

  /** Adds a caller, and returns its token. */
  addCaller(name: string, tenant: string, scopes: readonly string[]): Promise<string> {
    return this.#access.addCaller(name, tenant, scopes);
  }

  /** These issuers and no others. */
  provide(providers: readonly object[]): Promise<void> {
    return this.#access.provide(providers);
  }

  agents(): Promise<readonly Agent[]> {
    return this.#pod.agents();
  }

  async agentIds(): Promise<readonly string[]> {
    return (await this.agents()).map(({ agentId }) => agentId);
  }

  async waitForAgent(agentId: string, boundMs?: number): Promise<void> {
    await until(`the pod lists ${agentId}`, async () => (await this.agentIds()).includes(agentId), boundMs);
  }

  async waitForNoAgent(agentId: string, boundMs?: number): Promise<void> {
    await until(`the pod no longer lists ${agentId}`, async () => !(await this.agentIds()).includes(agentId), boundMs);
  }

  metrics(): Promise<Metrics> {
    return this.#pod.metrics();
  }

  /** What the pod's admin door answers, as a status; undefined when it does not answer any more. */
  probe(path: '/livez' | '/readyz'): Promise<number | undefined> {
    return this.#pod.probe(path);
  }

  file(name: string): string {
    return this.#dir.file(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    await this.#pod.close();
    await this.#dir.close();
  }
}

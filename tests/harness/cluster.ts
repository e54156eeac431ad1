// A real orchestrator with real agents on ports of the system's choice, its keys, its callers and its data in a folder
// of its own.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Agent, AgentService } from '../../gen/resproxy/v1/agent_pb.ts';
import { type CallerEntry, digestOfToken, type KeyEntry, newKey, newToken } from './credentials.ts';
import { GrpcCaller } from './grpc-caller.ts';
import { Metrics } from './metrics.ts';
import { Program } from './process.ts';
import { RestCaller } from './rest-caller.ts';
import { TempDir } from './temp.ts';
import { until } from './waiting.ts';

export interface ClusterOptions {
  /** Settings of the orchestrator, on top of the defaults here. */
  readonly env?: Readonly<Record<string, string>>;
  /** In PEM, when the gRPC door speaks TLS. */
  readonly ca?: string | undefined;
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
}

export interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly agent: number;
  readonly admin: number;
}

/** The name of the key that is there from the start. */
const firstKey = 'home-1';
export const allScopes = ['jobs:run', 'jobs:read', 'agents:read', 'agents:admin'] as const;

export class Cluster {
  readonly orchestrator: Program;
  readonly ports: Ports;
  /** Of a caller with every scope, tenant `acme`. */
  readonly token: string;
  readonly grpc: GrpcCaller;
  readonly rest: RestCaller;
  readonly #dir: TempDir;
  readonly #keys = new Map<string, string>();
  readonly #agents: Program[] = [];

  private constructor(orchestrator: Program, ports: Ports, token: string, dir: TempDir, ca: string | undefined) {
    this.orchestrator = orchestrator;
    this.ports = ports;
    this.token = token;
    this.grpc = new GrpcCaller(ports.grpc, token, ca);
    this.rest = new RestCaller(ports.http, token);
    this.#dir = dir;
  }

  static async start({ env = {}, ca }: ClusterOptions = {}): Promise<Cluster> {
    const dir = await TempDir.make();
    const token = newToken();
    const { key, id, digest } = newKey();
    await writeJson(dir.file('agent-keys.json'), { keys: [{ id, digest, name: firstKey }] });
    await writeJson(dir.file('callers.json'), { callers: [callerEntry('tester', token, 'acme', allScopes)] });
    const orchestrator = new Program({
      name: 'orchestrator',
      args: ['cmd/orchestrator/main.ts'],
      cwd: dir.path,
      env: { ...orchestratorEnv(dir), ...env },
    });
    try {
      const cluster = new Cluster(orchestrator, await listeningPorts(orchestrator), token, dir, ca);
      cluster.#keys.set(firstKey, key);
      return cluster;
    } catch (error) {
      await orchestrator.kill();
      await dir.close();
      throw error;
    }
  }

  /** Starts an agent and waits until the pod lists it. */
  async startAgent(options: AgentOptions = {}): Promise<Program> {
    const { keyName = firstKey, name = 'default', env = {}, port, detached = false, prefix = [] } = options;
    const agent = new Program({
      name: `agent ${keyName}/${name}`,
      args: ['cmd/agent/main.ts'],
      prefix,
      cwd: this.#dir.path,
      env: {
        ORCH_WS: `ws://127.0.0.1:${port ?? this.ports.agent}/agent`,
        AGENT_KEY: this.#keys.get(keyName) ?? (await this.addKey({ name: keyName })),
        AGENT_NAME: name,
        ...env,
      },
    });
    this.#agents.push(agent);
    if (!detached) await this.waitForAgent(`${keyName}/${name}`);
    return agent;
  }

  /** Adds an entry to the keys file, and returns the key. As every change of that file, it waits until the pod knows. */
  async addKey(entry: Partial<KeyEntry> & { readonly name: string }): Promise<string> {
    const { key, id, digest } = newKey();
    await this.#editKeys((keys) => [...keys, { id, digest, ...entry }]);
    this.#keys.set(entry.name, key);
    return key;
  }

  /** Takes the key out of the file. */
  async revokeKey(name: string): Promise<void> {
    await this.#editKeys((keys) => keys.filter((key) => key.name !== name));
    this.#keys.delete(name);
  }

  async changeKey(name: string, change: Partial<KeyEntry>): Promise<void> {
    await this.#editKeys((keys) => keys.map((key) => (key.name === name ? { ...key, ...change } : key)));
  }

  /** Adds a caller, and returns its token. */
  async addCaller(name: string, tenant: string, scopes: readonly string[]): Promise<string> {
    const token = newToken();
    const file = this.#dir.file('callers.json');
    const { callers } = (await readJson(file)) as { callers: CallerEntry[] };
    await replaceJson(file, { callers: [...callers, callerEntry(name, token, tenant, scopes)] });
    return token;
  }

  async agents(): Promise<readonly Agent[]> {
    return (await this.grpc.call(AgentService.method.listAgents, {})).agents;
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
    return Metrics.scrape(this.ports.admin);
  }

  /** What the pod's admin door answers, as a status; undefined when it does not answer any more. */
  async probe(path: '/livez' | '/readyz'): Promise<number | undefined> {
    const url = `http://127.0.0.1:${this.ports.admin}${path}`;
    return fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
      ({ status }) => status,
      () => undefined,
    );
  }

  file(name: string): string {
    return this.#dir.file(name);
  }

  async close(): Promise<void> {
    await this.grpc.close();
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    await this.orchestrator.kill();
    await this.#dir.close();
  }

  async #editKeys(edit: (keys: readonly KeyEntry[]) => readonly KeyEntry[]): Promise<void> {
    const file = this.#dir.file('agent-keys.json');
    const { keys } = (await readJson(file)) as { keys: KeyEntry[] };
    const from = this.orchestrator.logs.length;
    await replaceJson(file, { keys: edit(keys) });
    await this.orchestrator.waitForLog('reads its keys', ({ msg }) => msg === 'keys read again', { from });
  }
}

/** Where an orchestrator says it listens. */
export async function listeningPorts(orchestrator: Program): Promise<Ports> {
  const port = async (door: string) => {
    const line = await orchestrator.waitForLog(
      `listens for ${door}`,
      ({ msg, ...rest }) => msg === 'listening' && rest.door === door,
    );
    return Number(line.port);
  };
  return { grpc: await port('grpc'), http: await port('http'), agent: await port('agent'), admin: await port('admin') };
}

function orchestratorEnv(dir: TempDir): Record<string, string> {
  return {
    RESPROXY_HTTP_PORT: '0',
    RESPROXY_GRPC_PORT: '0',
    RESPROXY_AGENT_PORT: '0',
    RESPROXY_ADMIN_PORT: '0',
    RESPROXY_KEYS: `file:${dir.file('agent-keys.json')}`,
    RESPROXY_CALLERS: `file:${dir.file('callers.json')}`,
  };
}

function callerEntry(name: string, token: string, tenant: string, scopes: readonly string[]): CallerEntry {
  return { name, digest: digestOfToken(token), tenant, scopes };
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'));
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(value), { mode: 0o600 });
}

/** In one step, so that a reader never sees half of it. */
async function replaceJson(file: string, value: unknown): Promise<void> {
  await writeJson(`${file}.new`, value);
  await rename(`${file}.new`, file);
}

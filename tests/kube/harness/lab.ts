// A namespace with AgentKeys, an operator and, where a story needs them, an orchestrator and agents: each a real process
// with the rights of its own ServiceAccount.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Cluster } from '../../harness/cluster.ts';
import { Program } from '../../harness/process.ts';
import type { Use } from '../../harness/story.ts';
import { TempDir } from '../../harness/temp.ts';
import { until } from '../../harness/waiting.ts';
import type { Kube } from './kube.ts';
import { Operator } from './operator.ts';

/** The parts of an AgentKey that the stories look at. */
export interface AgentKeyObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: {
    readonly activeKeyID?: string;
    readonly keys?: readonly { readonly id: string; readonly digest: string; readonly notAfter?: string }[];
    readonly agents?: { readonly connected: number };
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

export interface SecretObject {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly uid: string }[];
  };
  readonly data?: Readonly<Record<string, string>>;
}

export class Lab {
  readonly kube: Kube;
  readonly namespace: string;
  readonly #use: Use;
  readonly #dir: TempDir;

  private constructor(kube: Kube, namespace: string, use: Use, dir: TempDir) {
    this.kube = kube;
    this.namespace = namespace;
    this.#use = use;
    this.#dir = dir;
  }

  static async make(kube: Kube, use: Use): Promise<Lab> {
    return new Lab(kube, await kube.namespace(), use, use(await TempDir.make()));
  }

  /** Started, and leading. */
  async operator(env: Readonly<Record<string, string>> = {}): Promise<Operator> {
    const operator = this.#use(await Operator.start(this.kube, this.namespace, env));
    await operator.leads();
    return operator;
  }

  /** An orchestrator whose keys are the AgentKeys of the namespace, for one tenant. */
  async orchestrator(env: Readonly<Record<string, string>> = {}): Promise<Cluster> {
    return this.#use(
      await Cluster.start({
        env: {
          RESPROXY_KEYS: `kubernetes:${this.namespace}=acme`,
          KUBECONFIG: await this.kube.kubeconfigOf(this.namespace, 'resproxy-orchestrator'),
          ...env,
        },
      }),
    );
  }

  /** An orchestrator and an operator that knows where agents dial and who is connected. */
  async pair(): Promise<{ cluster: Cluster; operator: Operator }> {
    const tokenFile = this.#dir.file('report-token');
    await writeFile(tokenFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    const cluster = await this.orchestrator({ RESPROXY_REPORT_TOKEN_FILE: tokenFile });
    const operator = await this.operator({
      ORCH_WS: `ws://127.0.0.1:${cluster.ports.agent}/agent`,
      RESPROXY_REPORT_URL: `http://127.0.0.1:${cluster.ports.admin}/agent-counts`,
      RESPROXY_REPORT_TOKEN_FILE: tokenFile,
    });
    return { cluster, operator };
  }

  /** An agent with what stands in the Secret and nothing else. */
  async agent(secretName: string, env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const { AGENT_KEY = '', ORCH_WS = '' } = await this.secretTexts(secretName);
    return this.agentWith({ AGENT_KEY, ORCH_WS, ...env });
  }

  agentWith(env: Readonly<Record<string, string>>): Program {
    const name = `agent ${env.AGENT_NAME ?? 'default'}`;
    const agent = new Program({ name, args: ['cmd/agent/main.ts'], cwd: this.#dir.path, env });
    this.#use({ close: () => agent.kill() });
    return agent;
  }

  /** Applies an AgentKey. */
  async apply(name: string, spec: object = {}): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    await this.kube.apply({ apiVersion: 'resproxy.dev/v1alpha1', kind: 'AgentKey', metadata, spec });
  }

  async patch(name: string, spec: object): Promise<void> {
    await this.kubectl('patch', 'akey', name, '--type=merge', '-p', JSON.stringify({ spec }));
  }

  /** kubectl in the namespace. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.kube.kubectl(...args, '-n', this.namespace);
  }

  /** As `kubectl wait` sees it. */
  async ready(name: string): Promise<void> {
    await this.kubectl('wait', '--for=condition=Ready', `akey/${name}`, '--timeout=20s');
  }

  agentKey(name: string): Promise<AgentKeyObject> {
    return this.kube.json('get', 'akey', name, '-n', this.namespace);
  }

  secret(name: string): Promise<SecretObject> {
    return this.kube.json('get', 'secret', name, '-n', this.namespace);
  }

  async secretTexts(name: string): Promise<Readonly<Record<string, string>>> {
    const { data = {} } = await this.secret(name);
    return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]));
  }

  /** Waits until the status is as asked, and returns it. */
  until(
    what: string,
    name: string,
    is: (object: AgentKeyObject) => boolean,
    boundMs = 20_000,
  ): Promise<AgentKeyObject> {
    return until(
      what,
      async () => {
        const object = await this.agentKey(name);
        return is(object) && object;
      },
      boundMs,
    );
  }

  /** The reasons of its events, in no order. */
  async events(name: string): Promise<readonly string[]> {
    const { items } = await this.kube.json<{ items: { reason: string; regarding: { name: string } }[] }>(
      'get',
      'events.events.k8s.io',
      '-n',
      this.namespace,
    );
    return items.filter(({ regarding }) => regarding.name === name).map(({ reason }) => reason);
  }
}

export function conditionOf({ status }: AgentKeyObject, type: string): string {
  const found = status?.conditions.find((condition) => condition.type === type);
  return found ? `${found.status} ${found.reason}` : 'absent';
}

// One real orchestrator on ports of the system's choice, with a caller at each of its doors.
import { type Agent, AgentService } from '../../gen/resproxy/v1/agent_pb.ts';
import { GrpcCaller } from './grpc-caller.ts';
import { Metrics } from './metrics.ts';
import { Program } from './process.ts';
import { RestCaller } from './rest-caller.ts';

export interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly agent: number;
  readonly admin: number;
}

export interface PodOptions {
  /** What errors call it; a fleet's pods have it as RESPROXY_POD_ID too. */
  readonly name: string;
  readonly cwd: string;
  /** On top of ports of the system's choice and no lame duck. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the caller at its doors. */
  readonly token: string;
  /** In PEM, when the gRPC door speaks TLS. */
  readonly ca?: string | undefined;
  /** What Node runs: the sources by default, or what the image has of them. */
  readonly script?: readonly string[] | undefined;
}

const podEnv: Readonly<Record<string, string>> = {
  RESPROXY_HTTP_PORT: '0',
  RESPROXY_GRPC_PORT: '0',
  RESPROXY_AGENT_PORT: '0',
  RESPROXY_ADMIN_PORT: '0',
  RESPROXY_LAME_DUCK_MS: '0',
};
const probeBoundMs = 5_000;
/** A busy machine takes its time over a start. */
const startBoundMs = 45_000;

export class Pod {
  readonly name: string;
  readonly program: Program;
  readonly ports: Ports;
  readonly grpc: GrpcCaller;
  readonly rest: RestCaller;

  private constructor(program: Program, ports: Ports, { name, token, ca }: PodOptions) {
    this.name = name;
    this.program = program;
    this.ports = ports;
    this.grpc = new GrpcCaller(ports.grpc, token, ca);
    this.rest = new RestCaller(ports.http, token);
  }

  /** Resolves when it is ready. */
  static async start(options: PodOptions): Promise<Pod> {
    const { name, cwd, env, script = ['cmd/orchestrator/main.ts'] } = options;
    const program = new Program({ name, args: script, cwd, env: { ...podEnv, ...env } });
    try {
      const ports = await listeningPorts(program);
      await program.waitForLog('ready', ({ msg }) => msg === 'ready', { boundMs: startBoundMs });
      return new Pod(program, ports, options);
    } catch (error) {
      await program.kill();
      throw error;
    }
  }

  /** Every agent that it knows of, page by page. */
  async agents(): Promise<readonly Agent[]> {
    const found: Agent[] = [];
    let pageToken = '';
    do {
      const page = await this.grpc.call(AgentService.method.listAgents, { pageToken });
      found.push(...page.agents);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return found;
  }

  metrics(): Promise<Metrics> {
    return Metrics.scrape(this.ports.admin);
  }

  /** What the admin door answers, as a status; undefined when it does not answer. */
  async probe(path: '/livez' | '/readyz', boundMs = probeBoundMs): Promise<number | undefined> {
    const url = `http://127.0.0.1:${this.ports.admin}${path}`;
    return fetch(url, { signal: AbortSignal.timeout(boundMs) }).then(
      ({ status }) => status,
      () => undefined,
    );
  }

  async close(): Promise<void> {
    await this.grpc.close();
    await this.program.kill();
  }
}

/** Where an orchestrator says it listens. */
export async function listeningPorts(orchestrator: Program): Promise<Ports> {
  const port = (door: string) => listeningPort(orchestrator, door);
  return { grpc: await port('grpc'), http: await port('http'), agent: await port('agent'), admin: await port('admin') };
}

export async function listeningPort(orchestrator: Program, door: string): Promise<number> {
  const line = await orchestrator.waitForLog(
    `listens for ${door}`,
    ({ msg, ...rest }) => msg === 'listening' && rest.door === door,
    { boundMs: startBoundMs },
  );
  return Number(line.port);
}

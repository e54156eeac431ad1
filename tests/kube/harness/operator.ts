// A real operator in a namespace, with the rights of its ServiceAccount and nothing else.
import { Metrics } from '../../harness/metrics.ts';
import { Program } from '../../harness/process.ts';
import type { Kube } from './kube.ts';

export const orchWs = 'wss://agents.example.org/agent';

export class Operator {
  readonly program: Program;
  readonly adminPort: number;

  private constructor(program: Program, adminPort: number) {
    this.program = program;
    this.adminPort = adminPort;
  }

  /** Returns once everything is listed; whether it leads is another question. */
  static async start(kube: Kube, namespace: string, env: Readonly<Record<string, string>> = {}): Promise<Operator> {
    const program = new Program({
      name: 'operator',
      args: ['cmd/operator/main.ts'],
      env: {
        KUBECONFIG: await kube.kubeconfigOf(namespace, 'resproxy-operator'),
        ORCH_WS: orchWs,
        RESPROXY_ADMIN_PORT: '0',
        LOG_LEVEL: 'debug',
        ...env,
      },
    });
    try {
      const { port } = await program.waitForLog('listens', ({ msg }) => msg === 'listening');
      await program.waitForLog('lists', ({ msg }) => msg === 'ready');
      return new Operator(program, Number(port));
    } catch (error) {
      await program.kill();
      throw error;
    }
  }

  async leads(boundMs?: number): Promise<void> {
    await this.program.waitForLog('leads', ({ msg }) => msg === 'this process leads', boundMs ? { boundMs } : {});
  }

  metrics(): Promise<Metrics> {
    return Metrics.scrape(this.adminPort);
  }

  async close(): Promise<void> {
    await this.program.kill();
  }
}

// The two chains that the bulk benchmark compares: the real pod and agent, and the bare grpc-js + ws + undici one. Both
// carry the probe; the agent of each is reached through a line that can be made long and narrow.
import { JobService } from '../gen/resproxy/v1/job_pb.ts';
import { FaultProxy } from '../tests/harness/fault-proxy.ts';
import { GrpcCaller } from '../tests/harness/grpc-caller.ts';
import type { Metrics } from '../tests/harness/metrics.ts';
import type { Program } from '../tests/harness/process.ts';
import { agentScript } from './bundles.ts';
import { agentEnv, probedEnv, startCluster, startScript, type Use } from './lab.ts';

export interface BulkSystem {
  readonly pod: Program;
  readonly agent: Program;
  /** Reads the whole answer, and returns how many bytes it had. */
  readonly read: (url: string) => Promise<number>;
}

export interface RealSystem extends BulkSystem {
  metrics(): Promise<Metrics>;
}

/** 100 Mbit/s and 80 ms there and back. */
export const narrowLine = { bytesPerSecond: 12_500_000, latencyMs: 40 } as const;

export async function startReal(use: Use, originPort: number, line?: typeof narrowLine): Promise<RealSystem> {
  const cluster = await startCluster(use, { env: probedEnv });
  const agent = await cluster.startAgent({
    env: { ...agentEnv(originPort), ...probedEnv },
    script: await agentScript(),
    ...(line && { port: await shaped(use, cluster.ports.agent, line) }),
  });
  const read = reader(use(new GrpcCaller(cluster.ports.grpc, cluster.token)));
  return { pod: cluster.orchestrator, agent, read, metrics: () => cluster.metrics() };
}

export async function startFloor(use: Use, line?: typeof narrowLine): Promise<BulkSystem> {
  const { program: pod, port } = await startScript(use, 'floors/bulk-pod.ts', { env: probedEnv });
  const agentPort = line ? await shaped(use, await port('agent'), line) : await port('agent');
  const args = [`ws://127.0.0.1:${agentPort}`];
  const { program: agent } = await startScript(use, 'floors/bulk-agent.ts', { args, env: probedEnv });
  await agent.waitForLog('connected', ({ msg }) => msg === 'connected');
  return { pod, agent, read: reader(use(new GrpcCaller(await port('grpc'), undefined))) };
}

async function shaped(use: Use, port: number, line: typeof narrowLine): Promise<number> {
  const proxy = use(await FaultProxy.start(port));
  proxy.shape('both', line);
  return proxy.port;
}

function reader(caller: GrpcCaller): BulkSystem['read'] {
  return async (url) => {
    let bytes = 0;
    const request = { request: { url }, timeout: { seconds: 300n } };
    for await (const { event } of caller.stream(JobService.method.streamJob, request, { deadlineMs: 300_000 })) {
      if (event.case === 'body') bytes += event.value.length;
    }
    return bytes;
  };
}

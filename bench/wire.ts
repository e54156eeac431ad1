// What a job takes over a home line of 2 x 20 ms: RunJob through the real pod and agent, the agent behind a proxy that
// delays, with an origin connection that is pooled and with a new one each time. The floor is a WebSocket echo over the
// same kind of line in the same run: one round trip.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { FaultProxy } from '../tests/harness/fault-proxy.ts';
import { type Figure, figure, show } from './figures.ts';
import { agentEnv, inLab, type Say, startCluster, startOrigin, startScript, type Use } from './lab.ts';
import { caller } from './load.ts';

const oneWayMs = 20;
const rounds = 5;
const jobsPerRound = 20;
const warmUpJobs = 50;
const echoBytes = 2_300;

export function benchWire(say: Say): Promise<unknown> {
  return inLab(async (use) => {
    const echo = await startEcho(use);
    const { pooled, fresh } = await startJobs(use);
    for (let i = 0; i < warmUpJobs; i++) await Promise.all([echo(), pooled(), fresh()]);
    const times: Record<'echo' | 'pooled' | 'fresh', number[]> = { echo: [], pooled: [], fresh: [] };
    for (let round = 0; round < rounds; round++) {
      times.echo.push(...(await timesOf(echo)));
      times.pooled.push(...(await timesOf(pooled)));
      times.fresh.push(...(await timesOf(fresh)));
    }
    const figures = { echoMs: figure(times.echo), pooledMs: figure(times.pooled), newMs: figure(times.fresh) };
    const over = ({ median }: Figure) => `${(median - figures.echoMs.median).toFixed(1)} ms over the round trip`;
    say(`${rounds} rounds of ${jobsPerRound}, one after the other, over 2 x ${oneWayMs} ms; median (lowest-highest)`);
    say(`floor, WebSocket echo, ms     ${show(figures.echoMs)}`);
    say(`job, pooled origin, ms        ${show(figures.pooledMs)}  ${over(figures.pooledMs)}`);
    say(`job, new origin connection    ${show(figures.newMs)}  ${over(figures.newMs)}`);
    return figures;
  });
}

async function startEcho(use: Use): Promise<() => Promise<void>> {
  const { port } = await startScript(use, 'floors/echo.ts');
  const line = await startLine(use, await port());
  const socket = new WebSocket(`ws://127.0.0.1:${line.port}`, { perMessageDeflate: false });
  use({ close: async () => socket.terminate() });
  await once(socket, 'open');
  const bytes = Buffer.alloc(echoBytes, 'x');
  return async () => {
    socket.send(bytes);
    await once(socket, 'message');
  };
}

async function startJobs(use: Use): Promise<Record<'pooled' | 'fresh', () => Promise<void>>> {
  const origin = await startOrigin(use);
  const cluster = await startCluster(use);
  const line = await startLine(use, cluster.ports.agent);
  await cluster.startAgent({ port: line.port, env: agentEnv(origin.port) });
  const doors = { grpcPort: cluster.ports.grpc, httpPort: cluster.ports.http, token: cluster.token };
  const jobs = (path: string) => use(caller('grpc', doors, `${origin.url}${path}`, 1)).run;
  return { pooled: jobs('/page'), fresh: jobs('/last') };
}

async function startLine(use: Use, port: number): Promise<FaultProxy> {
  const line = use(await FaultProxy.start(port));
  line.shape('both', { latencyMs: oneWayMs });
  return line;
}

async function timesOf(run: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < jobsPerRound; i++) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  return times;
}

// What a thousand AgentKeys cost the API server: requests, connections, and nothing at all once they are made.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Metrics } from '../harness/metrics.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';
import { Kube } from './harness/kube.ts';
import { Lab } from './harness/lab.ts';

const kube = shared(async (use) => use(await Kube.start()));
const keys = 1_000;
const idleMs = 20_000;
/** The Lease is renewed every 2 s. */
const idleRequests = 15;

const requests = (metrics: Metrics) => metrics.sum('resproxy_operator_kube_requests_total');

/** TCP connections of a process to that port, over IPv4. */
function connectionsTo(port: number, pid: number): number {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const remotePort = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const established = '01';
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(
      ([, , to = '', state, , , , , , inode = '']) =>
        to.endsWith(remotePort) && state === established && inodes.has(inode),
    ).length;
}

story(
  'a thousand keys: six requests each at most, four connections, and then nothing',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const operator = await lab.operator();
    const orchestrator = await lab.orchestrator();
    const before = requests(await operator.metrics());
    await kube().createAll(
      Array.from({ length: keys }, (_, i) => ({
        apiVersion: 'resproxy.dev/v1alpha1',
        kind: 'AgentKey',
        metadata: { name: `k${i}`, namespace: lab.namespace },
        spec: {},
      })),
    );
    // `kubectl wait` would open a watch for each of them, one after the other.
    const readyRows = async () => (await lab.kubectl('get', 'akey', '--no-headers')).match(/^k\d+\s+True\s/gm)?.length;
    await until('all are ready', async () => (await readyRows()) === keys, 120_000);
    await until(
      'the queue is empty',
      async () => (await operator.metrics()).sum('resproxy_operator_queue_depth') === 0,
    );
    const made = requests(await operator.metrics());
    expect((made - before) / keys).toBeLessThanOrEqual(6);

    const port = Number((await kube().server()).port || 443);
    expect(connectionsTo(port, operator.program.pid)).toBeGreaterThan(0);
    expect(connectionsTo(port, operator.program.pid)).toBeLessThanOrEqual(4);
    expect(connectionsTo(port, orchestrator.orchestrator.pid)).toBeGreaterThan(0);
    expect(connectionsTo(port, orchestrator.orchestrator.pid)).toBeLessThanOrEqual(4);

    await pause(idleMs);
    expect(requests(await operator.metrics()) - made).toBeLessThan(idleRequests);
  },
  240_000,
);

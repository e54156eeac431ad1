// What a thousand AgentKeys cost the API server: requests, connections, and nothing at all once they are made. The idle
// time is seconds; in full (RESPROXY_TEST_FULL=true) it is the ten minutes of the promise, after which everything has been
// listed anew once.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { Metrics } from '../harness/metrics.ts';
import { full, say } from '../harness/run.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';
import { Kube } from './harness/kube.ts';
import { Lab } from './harness/lab.ts';
import type { Operator } from './harness/operator.ts';

const kube = shared(async (use) => use(await Kube.start()));
const keys = 1_000;
const promisedIdleMs = 10 * 60_000;
const idleMs = full ? promisedIdleMs : 20_000;
/** An idle process computes next to nothing; one in a hot loop would take all of it. */
const idleCpuShare = 0.25;

/**
 * Requests so far: the operator's own count, and what the API server was asked about AgentKeys. One by one only the garbage
 * collector gets them, as the owners of Secrets: ours have no right to.
 */
async function countRequests(operator: Operator) {
  const ofServer = new Metrics(await kube().raw('/metrics'));
  return {
    operator: (await operator.metrics()).sum('resproxy_operator_kube_requests_total'),
    agentKeys: sumOf(ofServer, {}) - sumOf(ofServer, { verb: 'GET' }),
  };
}

/** Of AgentKeys; a metric is absent before the first. */
function sumOf(ofServer: Metrics, labels: Readonly<Record<string, string>>): number {
  const all = { group: 'resproxy.dev', resource: 'agentkeys', ...labels };
  return ofServer.has('apiserver_request_total', all) ? ofServer.sum('apiserver_request_total', all) : 0;
}

/** User and system time, in milliseconds: the 14th and 15th field, in hundredths of a second. */
function cpuMs(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [utime, stime] = fields.split(' ').slice(11, 13);
  return (Number(utime) + Number(stime)) * 10;
}

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
    const before = await countRequests(operator);
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
    const made = await countRequests(operator);
    const perKey = (made.operator - before.operator) / keys;
    say(`requests per AgentKey created: ${perKey} (promised: at most 6)`);
    expect(perKey).toBeLessThanOrEqual(6);

    const port = Number((await kube().server()).port || 443);
    expect(connectionsTo(port, operator.program.pid)).toBeGreaterThan(0);
    expect(connectionsTo(port, operator.program.pid)).toBeLessThanOrEqual(4);
    expect(connectionsTo(port, orchestrator.orchestrator.pid)).toBeGreaterThan(0);
    expect(connectionsTo(port, orchestrator.orchestrator.pid)).toBeLessThanOrEqual(4);

    const pids = [operator.program.pid, orchestrator.orchestrator.pid];
    const cpuBefore = pids.map(cpuMs);
    const idleFrom = performance.now();
    await pause(idleMs);
    const idle = await countRequests(operator);
    const waitedMs = performance.now() - idleFrom;
    const asked = { operator: idle.operator - made.operator, agentKeys: idle.agentKeys - made.agentKeys };
    const cpu = pids.map((pid, i) => cpuMs(pid) - (cpuBefore[i] ?? 0));
    const allowed = (keys * waitedMs) / promisedIdleMs;
    say(
      `idle for ${Math.round(waitedMs / 1_000)} s: ${asked.operator} requests of the operator, ${asked.agentKeys} about ` +
        `AgentKeys (promised: at most ${Math.floor(allowed)}), CPU of operator and orchestrator ${cpu.join(' and ')} ms`,
    );
    expect(asked.operator).toBeLessThanOrEqual(allowed);
    expect(asked.agentKeys).toBeLessThanOrEqual(allowed);
    expect(Math.max(...cpu) / waitedMs).toBeLessThan(idleCpuShare);
  },
  240_000 + idleMs,
);

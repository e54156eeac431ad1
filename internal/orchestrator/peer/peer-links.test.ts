// Two pods over real TLS on loopback: links come up, stay up, come back, and carry what they promise.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { limits } from '../../wire/limits.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import { RemotePod } from '../registry/pods.ts';
import { byToken, Cleanup, Line, link, nothing, okHead, request, startPod, until } from './peer-fixture.ts';
import { peerLimits } from './peer-limits.ts';

const MiB = 1024 * 1024;
/** Of the credential's files. */
const filePollMs = 300;

let cleanup: Cleanup;

beforeEach(() => {
  cleanup = new Cleanup();
});

afterEach(() => cleanup.run());

const echo = (stream: AcceptedStream) => stream.accept({ ...okHead, body: stream.open.body, end: true });

async function lineTo(address: string): Promise<{ line: Line; through: string }> {
  const line = new Line(address);
  cleanup.add(() => line.close());
  return { line, through: await line.start() };
}

describe('a link', () => {
  test.each(['mtls', 'token'] as const)('by %s carries jobs from the pod that dialled', async (kind) => {
    const more = kind === 'token' ? { credentials: byToken } : {};
    const from = await startPod(cleanup, { podId: 'a', ...more });
    const asked: string[] = [];
    const onStream = (stream: AcceptedStream, podId: string) => {
      asked.push(podId);
      echo(stream);
    };
    const to = await startPod(cleanup, { podId: 'b', onStream, ...more });
    const remote = await link(from, to);
    const head = await from.links.open(remote, request, Buffer.from('hello')).head;
    expect(Buffer.from(head.body).toString()).toBe('hello');
    expect([asked, from.linksUp, to.linksUp, to.server.size]).toEqual([['a'], 1, 0, 1]);
  });

  test('carries a thousand jobs at once', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'b', onStream: echo });
    const remote = await link(from, to);
    const bodies = Array.from({ length: 1_000 }, (_, i) => Buffer.alloc(limits.maxInlineBodyBytes, i));
    const heads = await Promise.all(bodies.map((body) => from.links.open(remote, request, body).head));
    expect(heads.every(({ body }, i) => Buffer.compare(body, bodies[i] ?? nothing) === 0)).toBe(true);
    expect(from.deps.budget.usedBytes).toBe(0);
  });

  test('holds no more than a window of 64 MiB that nobody reads yet, and brings all of it', async () => {
    const accepted: AcceptedStream[] = [];
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'b', onStream: (stream) => accepted.push(stream) });
    const remote = await link(from, to);
    const stream = from.links.open(remote, request, nothing);
    await until(() => accepted.length === 1);
    const [source] = accepted;
    source?.accept({ ...okHead, body: nothing, end: false });
    await stream.head;
    const sent = pour(source, 64 * MiB);
    await until(() => from.deps.budget.usedBytes === limits.initialStreamWindowBytes);
    let received = 0;
    let most = 0;
    for (let piece = await stream.read(); piece; piece = await stream.read()) {
      received += piece.length;
      most = Math.max(most, from.deps.budget.usedBytes);
    }
    await sent;
    expect(received).toBe(64 * MiB);
    expect(most).toBeLessThanOrEqual(limits.maxStreamWindowBytes);
  });

  test('that breaks fails its streams, and is dialled again', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const accepted: AcceptedStream[] = [];
    const to = await startPod(cleanup, { podId: 'b', onStream: (stream) => accepted.push(stream) });
    const { line, through } = await lineTo(to.address);
    const remote = await link(from, to, through);
    const { head } = from.links.open(remote, request, nothing);
    await until(() => accepted.length === 1);
    line.cut();
    await expect(head).rejects.toMatchObject({ end: { kind: 'lost', sent: true, end: { code: 1006 } } });
    await until(() => remote.linked && from.linksUp === 1);
    expect(from.warnings).toMatchObject([{ msg: 'lost the link to a pod', code: 1006 }]);
  });

  test('to a pod that fell silent is dead within the bounds of its pings, at both ends', async () => {
    const clock = new ManualClock();
    const from = await startPod(cleanup, { podId: 'a', clock });
    const to = await startPod(cleanup, { podId: 'b', clock });
    const { line, through } = await lineTo(to.address);
    const remote = await link(from, to, through);
    const lost = expect(from.links.open(remote, request, nothing).head).rejects.toMatchObject({
      end: { kind: 'lost', sent: true, end: { code: 4408 } },
    });
    line.goDeaf();
    for (let s = 0; s < 10; s++) await clock.advance(1_000);
    await lost;
    await until(() => to.server.size === 0);
    expect(remote.linked).toBe(false);
  });

  test('waits longer after each failure, up to 5 s, and says once why', async () => {
    const clock = new ManualClock();
    const from = await startPod(cleanup, { podId: 'a', clock });
    const waits: number[] = [];
    const after = clock.after.bind(clock);
    clock.after = (ms, fn) => {
      if (ms !== peerLimits.dialTimeoutMs && ms !== filePollMs) waits.push(ms);
      return after(ms, fn);
    };
    from.links.podJoined(new RemotePod('b', '127.0.0.1:1', '1'));
    for (let i = 0; i < 8; i++) {
      await until(() => waits.length > i);
      await clock.advance(waits[i] ?? 0);
    }
    expect(waits.slice(0, 8)).toEqual([50, 100, 200, 400, 800, 1_600, 2_500, 2_500]);
    expect(from.warnings).toMatchObject([{ msg: 'cannot link to a pod', reason: 'ECONNREFUSED' }]);
  });

  test('is not made to a pod that says another name', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'c' });
    const remote = new RemotePod('b', to.address, '1');
    from.links.podJoined(remote);
    await until(() => from.warnings.length > 0);
    expect(from.warnings[0]).toMatchObject({ reason: 'another pod has this address (4000)' });
    expect([remote.linked, from.linksUp]).toEqual([false, 0]);
  });

  test('is not made by name, nor to itself, nor to a pod without a peer port', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const named = new RemotePod('b', 'localhost:9091', '1');
    const self = new RemotePod('a', from.address, '1');
    const alone = new RemotePod('c', '', '1');
    for (const pod of [alone, self, named]) from.links.podJoined(pod);
    await until(() => from.warnings.length > 0);
    expect(from.warnings[0]).toMatchObject({ reason: 'its address is not an IP address and a port' });
    expect([named.linked, self.linked, alone.linked, from.warnings.length]).toEqual([false, false, false, 1]);
  });

  test('takes no jobs while it is not up', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const stranger = new RemotePod('b', '127.0.0.1:1', '1');
    expect(() => from.links.open(stranger, request, nothing)).toThrow('no link to pod b');
    from.links.podJoined(stranger);
    expect(() => from.links.open(stranger, request, nothing)).toThrow('no link to pod b');
  });
});

describe('a pod that leaves', () => {
  test('still finishes the jobs that run, and gets no new ones', async () => {
    const accepted: AcceptedStream[] = [];
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'b', onStream: (stream) => accepted.push(stream) });
    const remote = await link(from, to);
    const { head } = from.links.open(remote, request, nothing);
    await until(() => accepted.length === 1);
    from.links.podLeft(remote);
    expect([remote.linked, from.linksUp]).toEqual([false, 0]);
    expect(() => from.links.open(remote, request, nothing)).toThrow('no link');
    accepted[0]?.accept({ ...okHead, body: Buffer.from('late'), end: true });
    expect(Buffer.from((await head).body).toString()).toBe('late');
    await until(() => to.server.size === 0);
  });

  test('closes its own links and its port when the streams are over or the grace is', async () => {
    const accepted: AcceptedStream[] = [];
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'b', onStream: (stream) => accepted.push(stream) });
    const remote = await link(from, to);
    const { head } = from.links.open(remote, request, nothing);
    const failed = expect(head).rejects.toMatchObject({ end: { kind: 'lost', end: { code: 4001 } } });
    await until(() => accepted.length === 1);
    await to.server.close(20);
    await failed;
    await from.links.close(20);
    expect(from.linksUp).toBe(0);
  });
});

describe('an order to an agent of another pod', () => {
  test('answers how many connections it reached', async () => {
    const orders: unknown[] = [];
    const from = await startPod(cleanup, { podId: 'a' });
    const onOrder = ({ agentId, kind }: { agentId: string; kind: number }, podId: string) =>
      orders.push([agentId, kind, podId]) + 1;
    const to = await startPod(cleanup, { podId: 'b', onOrder });
    await link(from, to);
    expect(await from.links.order('b', 'key/agent', 2)).toBe(2);
    expect(orders).toEqual([['key/agent', 2, 'a']]);
  });

  test('fails without a link, with its link, and after 5 s', async () => {
    const clock = new ManualClock();
    const from = await startPod(cleanup, { podId: 'a', clock });
    const to = await startPod(cleanup, { podId: 'b', clock });
    await expect(from.links.order('b', 'key/agent', 1)).rejects.toThrow('no link to pod b');
    const { line, through } = await lineTo(to.address);
    await link(from, to, through);
    line.goDeaf();
    const late = expect(from.links.order('b', 'key/agent', 1)).rejects.toThrow('in time');
    await clock.advance(5_000);
    await late;
    const lost = expect(from.links.order('b', 'key/agent', 1)).rejects.toThrow('the link ended');
    line.cut();
    await lost;
  });
});

async function pour(stream: AcceptedStream | undefined, bytes: number): Promise<void> {
  if (!stream) throw new Error('no stream');
  const piece = Buffer.alloc(limits.maxDataBytes);
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!stream.write(piece)) await stream.writable();
  }
  stream.end();
}

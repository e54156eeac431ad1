// How an agent stops: it tells its pods, lets jobs finish within the grace, and says goodbye.
import { afterEach, describe, expect, test } from '@jest/globals';
import { ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { closeCode } from '../../wire/names.ts';
import type { PodConnection } from './fakes/fake-pod.ts';
import { okHead } from './fakes/fake-runner.ts';
import { Rig } from './fakes/rig.ts';

let rig: Rig;

async function welcomed(): Promise<PodConnection> {
  rig = await Rig.start({ graceMs: 10_000 });
  const pod = await rig.pod.welcomed();
  await rig.log.line('Connected');
  return pod;
}

afterEach(async () => {
  await rig.close();
  expect(rig.clock.pending).toBe(0);
});

const goodbye = { code: closeCode.drained, reason: 'the agent stops' };

describe('stopping', () => {
  test('drains, waits for the pod and for its jobs, and closes with 4001', async () => {
    const pod = await welcomed();
    pod.open(1);
    const { sink } = await rig.runner.next();
    const stopped = rig.uplink.stop('SIGTERM');
    expect((await pod.frame('drain')).value.graceMs).toBe(10_000);
    await rig.log.line('Stopping. Jobs that run: 1. They have 10 s to finish.');
    pod.send(0, { case: 'drainAck', value: {} });
    await rig.clock.advance(5_000);
    expect(pod.unread).toBe(0);
    sink.head(okHead);
    sink.end();
    expect((await pod.frame('openOk')).value.end).toBe(true);
    await rig.clock.advance(50);
    await pod.frame('goAway');
    expect(await pod.closed).toEqual(goodbye);
    await stopped;
    expect(rig.log.lines.at(-1)?.msg).toBe('Stopped.');
  });

  test('still serves what the pod opened before it knew', async () => {
    const pod = await welcomed();
    const stopped = rig.uplink.stop('SIGTERM');
    await pod.frame('drain');
    pod.open(1);
    const { sink } = await rig.runner.next();
    pod.send(0, { case: 'drainAck', value: {} });
    sink.head(okHead);
    sink.end();
    await pod.frame('openOk');
    await rig.clock.advance(50);
    await pod.frame('goAway');
    await stopped;
  });

  test('does not close before the pod has heard of it, even when nothing runs', async () => {
    const pod = await welcomed();
    const stopped = rig.uplink.stop('SIGTERM');
    await pod.frame('drain');
    await rig.clock.advance(9_900);
    expect(pod.unread).toBe(0);
    await rig.clock.advance(125);
    await pod.frame('goAway');
    await stopped;
  });

  test('ends what is left when the grace is over', async () => {
    const pod = await welcomed();
    pod.open(1);
    const run = await rig.runner.next();
    const stopped = rig.uplink.stop('SIGTERM');
    await pod.frame('drain');
    pod.send(0, { case: 'drainAck', value: {} });
    await rig.clock.advance(10_025);
    await run.aborted();
    expect(await pod.frame('reset')).toMatchObject({ streamId: 1, value: { code: ResetCode.SHUTDOWN } });
    await pod.frame('goAway');
    expect(await pod.closed).toEqual(goodbye);
    await stopped;
    expect(rig.jobs.running).toBe(0);
  });

  test('dials no more when the connection breaks off meanwhile', async () => {
    const pod = await welcomed();
    const stopped = rig.uplink.stop('SIGTERM');
    await pod.frame('drain');
    pod.breakOff();
    await stopped;
    await rig.clock.advance(600_000);
    expect(rig.pod.requests.waiting).toHaveLength(1);
  });

  test('gives up a dial at once', async () => {
    rig = await Rig.start({ upgrades: 'unanswered' });
    await rig.pod.requests.take();
    await rig.uplink.stop('SIGTERM');
    expect(rig.clock.pending).toBe(0);
  });

  test('gives up waiting for the next try at once', async () => {
    rig = await Rig.start({ upgrades: { status: 401 } });
    await rig.log.line('Next try');
    await rig.uplink.stop('SIGTERM');
    expect(rig.clock.pending).toBe(0);
  });

  test('drains a pod that drains itself, and the one it moved to', async () => {
    const old = await welcomed();
    old.send(0, { case: 'drain', value: { graceMs: 45_000, spreadMs: 0 } });
    await rig.log.line('asks this agent to move');
    await rig.clock.advance(0);
    const next = await rig.pod.welcomed();
    await old.frame('drainAck');
    const stopped = rig.uplink.stop('SIGTERM');
    for (const pod of [old, next]) {
      await pod.frame('drain');
      pod.send(0, { case: 'drainAck', value: {} });
    }
    await rig.clock.advance(0);
    old.send(0, { case: 'drain', value: { graceMs: 1, spreadMs: 0 } });
    await old.frame('drainAck');
    await rig.clock.advance(50);
    for (const pod of [old, next]) {
      await pod.frame('goAway');
      expect(await pod.closed).toEqual(goodbye);
    }
    await stopped;
  });

  test('breaks the connection off when the pod does not answer the close within 1 s', async () => {
    const pod = await welcomed();
    const stopped = rig.uplink.stop('SIGTERM');
    await pod.frame('drain');
    pod.stall();
    await rig.clock.advance(10_025);
    await rig.clock.advance(1_000);
    await stopped;
  });

  test('is the same stop when it is asked for twice', async () => {
    const pod = await welcomed();
    const first = rig.uplink.stop('SIGTERM');
    expect(rig.uplink.stop('SIGINT')).toBe(first);
    pod.breakOff();
    await first;
  });
});

// How an agent stays connected: greets, dials again after whatever end, and moves before it lets go.
import { afterEach, describe, expect, test } from '@jest/globals';
import { ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { limits } from '../../wire/limits.ts';
import { closeCode } from '../../wire/names.ts';
import { Rig, type RigOptions } from './fakes/rig.ts';

let rig: Rig;

async function start(options?: RigOptions): Promise<Rig> {
  rig = await Rig.start(options);
  return rig;
}

afterEach(async () => {
  await rig.close();
  expect(rig.clock.pending).toBe(0);
});

describe('greeting', () => {
  test('says who it is and what it offers, and shows its key in a header only', async () => {
    const { pod, log } = await start();
    const { streamId, value: hello } = await (await pod.connection()).frame('hello');
    expect(streamId).toBe(0);
    expect(hello).toMatchObject({
      agentName: 'berlin',
      instanceId: 'instance-1',
      connectSeq: 1n,
      protocolMin: 1,
      protocolMax: 1,
      version: '1.2.3',
      platform: 'linux-x64',
      streamWindow: limits.initialStreamWindowBytes,
      connectionWindow: limits.initialConnectionWindowBytes,
    });
    expect(hello.exits?.exits).toMatchObject([{ name: 'direct', capacity: 8, labels: { country: 'DE' } }]);
    const request = await pod.requests.take();
    expect(request.headers.authorization).toBe('Bearer the-secret-key');
    expect(request.headers['sec-websocket-protocol']).toBe('resproxy.v1');
    expect(request.headers['sec-websocket-extensions']).toBeUndefined();
    expect(request.url).toBe('/agent');
    expect(log.text).not.toContain('secret');
  });

  test('hands the observed address on when it is welcomed', async () => {
    const { pod, log, observed } = await start();
    await pod.welcomed();
    expect((await log.line('Connected to orchestrator.example')).pod).toBe('pod-1');
    expect(observed).toEqual(['198.51.100.7']);
  });

  test('gives a pod up that does not welcome it within 5 s', async () => {
    const { pod, clock, log } = await start();
    const connection = await pod.connection();
    await connection.frame('hello');
    await clock.advance(4_999);
    expect(log.lines).toEqual([]);
    await clock.advance(1);
    await connection.closed;
    await log.line('did not welcome this agent: no WELCOME within 5 s');
  });

  test('closes on a WELCOME that it cannot work with', async () => {
    const { pod, log } = await start();
    const connection = await pod.connection();
    connection.welcome({ busyPingMs: 0 });
    expect(await connection.closed).toEqual({
      code: closeCode.protocolError,
      reason: 'its busyPingMs is out of bounds',
    });
    await log.line('did not welcome this agent');
  });

  test('asks for a newer version of itself when the pod speaks another protocol', async () => {
    const { pod, log } = await start();
    const connection = await pod.connection();
    connection.welcome({ protocol: 2 });
    expect((await connection.closed).code).toBe(closeCode.upgradeRequired);
    expect((await log.line('Install the newest version')).delayMs).toBe(180_000);
  });

  test('closes on a frame that has no place before WELCOME, and on a second WELCOME', async () => {
    const { pod, clock } = await start();
    const early = await pod.connection();
    early.send(0, { case: 'drain', value: {} });
    expect(await early.closed).toEqual({ code: closeCode.protocolError, reason: 'drain is out of place' });
    await rig.log.line('Next try');
    await clock.advance(250);
    const twice = await pod.welcomed();
    twice.welcome();
    expect(await twice.closed).toEqual({ code: closeCode.protocolError, reason: 'welcome is out of place' });
  });

  test.each(['peerHello', 'agentOrder', 'agentOrderDone'] as const)(
    'closes on %s, which only pods say',
    async (frame) => {
      const { pod } = await start();
      const connection = await pod.welcomed();
      connection.send(0, { case: frame, value: {} });
      expect(await connection.closed).toEqual({ code: closeCode.protocolError, reason: `${frame} is out of place` });
    },
  );
});

describe('exits', () => {
  test('tells the pod when they change', async () => {
    const { pod, exits, log } = await start();
    const connection = await pod.welcomed();
    await log.line('Connected');
    exits.change('direct', { state: ExitState.PAUSED });
    const { value } = await connection.frame('exits');
    expect(value.exits).toMatchObject({ generation: 2n, exits: [{ name: 'direct', state: ExitState.PAUSED }] });
  });

  test('tells of a change that fell between HELLO and WELCOME', async () => {
    const { pod, exits } = await start();
    const connection = await pod.connection();
    await connection.frame('hello');
    exits.change('direct', { capacity: 2 });
    connection.welcome();
    expect((await connection.frame('exits')).value.exits).toMatchObject({ generation: 2n, exits: [{ capacity: 2 }] });
  });
});

describe('reconnecting', () => {
  test('dials again within half a second after a connection broke off, as the same instance', async () => {
    const { pod, clock, log } = await start();
    (await pod.welcomed()).breakOff();
    expect(await log.line('broke off. Next try in 0.3 s')).toMatchObject({ delayMs: 250, closeCode: 1006 });
    await clock.advance(250);
    const { value } = await (await pod.connection()).frame('hello');
    expect(value).toMatchObject({ instanceId: 'instance-1', connectSeq: 2n });
  });

  test('waits longer with every connection that does not last, up to 2 s, and forgets them after 30 s of a good one', async () => {
    const { pod, clock, log } = await start();
    const delays: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const connection = await pod.welcomed();
      await log.line('Connected');
      await clock.advance(1);
      connection.breakOff();
      const { delayMs } = await log.line('Next try');
      delays.push(delayMs);
      await clock.advance(Number(delayMs));
    }
    expect(delays).toEqual([250, 500, 1000, 1000, 1000]);
    const lasting = await pod.welcomed();
    await log.line('Connected');
    await clock.advance(30_000);
    lasting.breakOff();
    expect((await log.line('Next try')).delayMs).toBe(250);
  });

  test('gives a dial up after 10 s', async () => {
    const { pod, clock, log } = await start({ upgrades: 'unanswered' });
    await pod.requests.take();
    await clock.advance(9_999);
    expect(log.lines).toEqual([]);
    await clock.advance(1);
    await log.line('cannot be reached: no answer within 10 s. Next try in 0.3 s.');
  });

  test.each([
    [401, 'the key is not valid', "does not accept this agent's key. Check AGENT_KEY"],
    [403, 'the key is suspended', 'does not allow this agent in'],
  ])('says plainly when its key is refused with %d, and asks again in minutes', async (status, error, words) => {
    const body = JSON.stringify({ error, retryable: false });
    const { pod, clock, log } = await start({ upgrades: { status, body } });
    expect(await log.line(words)).toMatchObject({ level: 50, status, delayMs: 180_000 });
    expect(log.text).toContain(error);
    pod.upgrades = 'taken';
    await clock.advance(179_999);
    expect(pod.requests.waiting).toHaveLength(1);
    await clock.advance(1);
    await pod.welcomed();
    await log.line('Connected');
  });

  test('comes back when a pod without room said it may', async () => {
    const upgrades = { status: 503, headers: { 'Retry-After': '20' }, body: '{"error":"no room","retryable":true}' };
    const { log } = await start({ upgrades });
    expect(await log.line('refused the connection with status 503. It says: no room.')).toMatchObject({
      delayMs: 20_250,
    });
  });

  test.each([
    [closeCode.unauthenticated, 'no longer accepted', 180_000],
    [closeCode.replaced, 'Give each agent its own AGENT_NAME', 180_000],
    [closeCode.restart, 'The orchestrator closed the connection and expects this agent back', 250],
    [closeCode.overloaded, 'too much to do', 250],
  ])('knows what close code %d means', async (code, words, delayMs) => {
    const { pod, log } = await start();
    const connection = await pod.welcomed();
    await log.line('Connected');
    connection.close(code);
    expect(await log.line(words)).toMatchObject({ closeCode: code, delayMs });
  });

  test('takes a pod that fell silent for lost, and dials again', async () => {
    const { pod, clock, log } = await start();
    const connection = await pod.welcomed();
    await log.line('Connected');
    connection.mute();
    await clock.advance(limits.idleDeadMs - 1_000);
    expect(log.lines).toHaveLength(1);
    await clock.advance(1_200);
    await log.line('fell silent');
    await clock.advance(500);
    await pod.welcomed();
    await log.line('Connected');
  });
});

describe('moving to another pod', () => {
  async function drained(spreadMs: number) {
    const { pod, log } = await start();
    const old = await pod.welcomed();
    await log.line('Connected');
    old.send(0, { case: 'drain', value: { graceMs: 45_000, spreadMs } });
    await log.line('asks this agent to move');
    return { old, pod, log, clock: rig.clock };
  }

  test('dials within the spread, and lets go of the old pod only when the new one has welcomed it', async () => {
    const { old, pod, log, clock } = await drained(10_000);
    await clock.advance(4_999);
    expect(pod.requests.waiting).toHaveLength(1);
    await clock.advance(1);
    const next = await pod.connection();
    expect((await next.frame('hello')).value).toMatchObject({ instanceId: 'instance-1', connectSeq: 2n });
    expect(old.unread).toBe(0);
    next.welcome();
    await old.frame('drainAck');
    old.send(0, { case: 'goAway', value: {} });
    old.close(closeCode.drained);
    await log.line('The connection that drained is closed');
    expect(clock.pending).toBeGreaterThan(0);
    await clock.advance(30_000);
    expect(pod.requests.waiting).toHaveLength(2);
  });

  test('serves the jobs of both pods meanwhile, within one capacity', async () => {
    const { old, pod, clock } = await drained(0);
    await clock.advance(0);
    const next = await pod.welcomed();
    await old.frame('drainAck');
    for (let id = 1; id <= 5; id++) old.open(id);
    for (let id = 1; id <= 5; id++) await rig.runner.next();
    for (let id = 1; id <= 4; id++) next.open(id, { jobId: `other-${id}` });
    expect((await next.frame('openErr')).streamId).toBe(4);
    expect(rig.exits.find('direct')?.inFlight).toBe(8);
  });

  test('keeps the draining pod, and tries again, when the next one cannot be reached', async () => {
    const { old, pod, clock, log } = await drained(0);
    pod.upgrades = { status: 503 };
    await clock.advance(0);
    const { delayMs } = await log.line('status 503');
    pod.upgrades = 'taken';
    old.open(1);
    await rig.runner.next();
    await clock.advance(Number(delayMs));
    await pod.welcomed();
    await old.frame('drainAck');
  });

  test('hurries when the draining pod is gone before the spread is over', async () => {
    const { old, pod, clock, log } = await drained(100_000);
    old.close(closeCode.drained);
    expect((await log.line('Next try')).delayMs).toBe(500);
    await clock.advance(500);
    await pod.welcomed();
    await log.line('Connected');
  });

  test('backs off when pod after pod drains at once', async () => {
    const { pod, clock } = await drained(0);
    await clock.advance(0);
    const second = await pod.welcomed();
    second.send(0, { case: 'drain', value: { graceMs: 45_000, spreadMs: 0 } });
    await rig.log.line('asks this agent to move');
    await clock.advance(499);
    expect(pod.requests.waiting).toHaveLength(2);
    await clock.advance(1);
    await pod.connection();
  });

  test('closes a connection that its pod leaves open beyond the grace', async () => {
    const { old, pod, clock } = await drained(0);
    await clock.advance(0);
    await pod.welcomed();
    await old.frame('drainAck');
    await clock.advance(45_000 + limits.closeTimeoutMs);
    expect(await old.closed).toEqual({ code: closeCode.drained, reason: 'the grace is over' });
  });
});

import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../kit/manual-clock.ts';
import { TimerWheel } from '../kit/timer-wheel.ts';
import { Liveness, type Watched } from './liveness.ts';
import { RoundTrip } from './rtt.ts';

const rhythm = { idlePingMs: 15_000, busyPingMs: 5_000, idleDeadMs: 40_000, busyDeadMs: 10_000 };

class Line implements Watched {
  readonly clock = new ManualClock();
  streamCount = 0;
  lastInboundAt = 0;
  bytesReceived = 0;
  readonly pingedAt: number[] = [];
  lastNonce = 0;
  silentAt: number | undefined;
  readonly rtt = new RoundTrip();
  readonly liveness = new Liveness(this, rhythm, this.rtt, this.clock, () => 0.5, new TimerWheel(this.clock));

  sendPing(nonce: number): void {
    this.lastNonce = nonce;
    this.pingedAt.push(this.clock.now());
  }

  onSilence(): void {
    this.silentAt = this.clock.now();
  }

  hear(): void {
    this.lastInboundAt = this.clock.now();
    this.bytesReceived++;
  }

  /** Advances in steps of 100 ms, hearing something after each when `talkative`. */
  async pass(ms: number, talkative: boolean): Promise<void> {
    for (let done = 0; done < ms; done += 100) {
      await this.clock.advance(100);
      if (talkative) this.hear();
    }
  }
}

describe('the life of a connection', () => {
  test('is asked every 15 s while it is idle', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(46_000, true);
    expect(line.pingedAt.length).toBe(4);
    line.liveness.stop();
    expect(line.clock.pending).toBe(0);
  });

  test('is asked every 5 s while a stream is open, whatever else flows', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(2_000, true);
    line.streamCount = 1;
    line.liveness.becameBusy();
    await line.pass(20_500, true);
    expect(line.pingedAt.length).toBe(5);
  });

  test('ends after 40 s of silence while it is idle', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(39_500, false);
    expect(line.silentAt).toBeUndefined();
    await line.pass(1_000, false);
    expect(line.silentAt).toBeDefined();
  });

  test('ends 10 s after a stream was opened on a line that has fallen silent', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(12_000, false);
    line.streamCount = 1;
    line.liveness.becameBusy();
    await line.pass(9_500, false);
    expect(line.silentAt).toBeUndefined();
    await line.pass(1_000, false);
    expect(line.silentAt).toBeDefined();
  });

  test('goes on while bytes of one large frame trickle in over a slow line', async () => {
    const line = new Line();
    line.streamCount = 1;
    line.liveness.start();
    for (let i = 0; i < 30; i++) {
      await line.pass(1_000, false);
      line.bytesReceived++;
    }
    expect(line.silentAt).toBeUndefined();
  });

  test('is not given up because this process stood still itself, but for silence after that', () => {
    const line = new Line();
    line.streamCount = 1;
    let now = 0;
    const ticks: (() => void)[] = [];
    const after = (_ms: number, fn: () => void) => {
      ticks.push(fn);
      return () => {};
    };
    const clock = { now: () => now, wallMs: () => 0, after };
    const liveness = new Liveness(line, rhythm, line.rtt, clock, () => 0.5, new TimerWheel(clock));
    liveness.start();
    now = 60_000;
    while (line.pingedAt.length < 2) ticks.shift()?.();
    expect(line.silentAt).toBeUndefined();
    for (let i = 0; i < 52; i++) {
      now += 100;
      ticks.shift()?.();
    }
    expect(line.silentAt).toBeDefined();
  });

  test('gives a round-trip time for the newest ping, once', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(300, false);
    expect(line.liveness.pong(line.lastNonce + 1)).toBeUndefined();
    const nonce = line.lastNonce;
    expect(line.liveness.pong(nonce)).toBe(300);
    expect(line.liveness.pong(nonce)).toBeUndefined();
    expect(line.rtt.lastMs).toBe(300);
  });

  // An agent that had just started took 150 ms for its first answer on a line of 30 ms. Against that minimum a full uplink
  // looked free, and the connection's window grew.
  test('is asked four times in a row at the start, so that a late first answer is not taken for the distance', async () => {
    const line = new Line();
    line.liveness.start();
    await line.pass(200, false);
    line.liveness.pong(line.lastNonce);
    for (let i = 0; i < 5; i++) {
      await line.pass(100, false);
      line.liveness.pong(line.lastNonce);
    }
    expect(line.pingedAt).toEqual([0, 200, 300, 400]);
    expect(line.rtt.inflation).toBe(1);
  });
});

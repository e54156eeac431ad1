import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from './codec.ts';
import { ReceiveWindow, SendCredit } from './credit.ts';
import { RoundTrip } from './rtt.ts';

const KiB = 1024;
const rule = { initialBytes: 256 * KiB, maxBytes: 4096 * KiB, yieldsToQueue: false };

/** A window that has just seen `times` full windows pass, each in `tookMs`. */
function pass(window: ReceiveWindow, times: number, tookMs: number, mayGrow = true): void {
  let now = 0;
  for (let i = 0; i < times; i++) {
    now += tookMs;
    for (let left = window.sizeBytes; left > 0; ) {
      const bytes = Math.min(left, window.outstandingBytes, 16 * KiB);
      window.receive(bytes);
      window.giveBack(bytes, now, mayGrow);
      left -= bytes;
    }
  }
}

function measured(...samplesMs: number[]): RoundTrip {
  const rtt = new RoundTrip();
  for (const ms of samplesMs) rtt.sample(ms);
  return rtt;
}

describe('the credit ledger', () => {
  test('granted minus sent is what the sender holds, and never below zero, whatever happens in between', () => {
    const step = fc.record({
      send: fc.integer({ min: 0, max: 300 * KiB }),
      consume: fc.nat(),
      tookMs: fc.integer({ min: 0, max: 200 }),
      rttMs: fc.integer({ min: 1, max: 500 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, yieldsToQueue) => {
        const rtt = new RoundTrip();
        const window = new ReceiveWindow({ ...rule, yieldsToQueue }, rtt, 0);
        const credit = new SendCredit(rule.initialBytes);
        let granted = rule.initialBytes;
        let sent = 0;
        let unconsumed = 0;
        let now = 0;
        for (const { send, consume, tookMs, rttMs } of steps) {
          now += tookMs;
          rtt.sample(rttMs);
          const bytes = Math.min(send, credit.left);
          credit.spend(bytes);
          window.receive(bytes);
          sent += bytes;
          unconsumed += bytes;
          const consumed = unconsumed === 0 ? 0 : consume % (unconsumed + 1);
          unconsumed -= consumed;
          const back = window.giveBack(consumed, now, true);
          if (back > 0) credit.grant(back);
          granted += back;
          expect(credit.left).toBe(granted - sent);
          expect(window.outstandingBytes).toBe(credit.left);
          expect(credit.left).toBeGreaterThanOrEqual(0);
          expect(credit.left + unconsumed).toBeLessThanOrEqual(rule.maxBytes);
        }
      }),
    );
  });

  test('data beyond the credit closes the connection as a flow control fault', () => {
    const window = new ReceiveWindow(rule, measured(10), 0);
    window.receive(256 * KiB);
    expect(() => window.receive(1)).toThrow(expect.objectContaining({ closeCode: 4400 }));
  });

  test('a grant of nothing, or past what a window can hold, is a flow control fault', () => {
    expect(() => new SendCredit(0).grant(0)).toThrow(ProtocolError);
    const credit = new SendCredit(2 ** 31 - 2);
    credit.grant(1);
    expect(() => credit.grant(1)).toThrow(expect.objectContaining({ closeCode: 4400 }));
  });

  test('credit comes back in batches of a quarter window', () => {
    const window = new ReceiveWindow(rule, measured(10), 0);
    window.receive(128 * KiB);
    expect(window.giveBack(63 * KiB, 1000, true)).toBe(0);
    expect(window.giveBack(1 * KiB, 1000, true)).toBe(64 * KiB);
  });

  test('a stalled reader is not starved by an endless debt: all that is consumed comes back but less than a quarter', () => {
    const window = new ReceiveWindow(rule, measured(10), 0);
    let back = 0;
    for (let i = 0; i < 256; i++) {
      window.receive(1 * KiB);
      back += window.giveBack(1 * KiB, 10_000 * i, true);
    }
    expect(256 * KiB - back).toBeLessThan(64 * KiB);
  });
});

describe('a window', () => {
  test('doubles while a full window passes within two round trips, up to its bound', () => {
    const window = new ReceiveWindow(rule, measured(80), 0);
    pass(window, 1, 100);
    expect(window.sizeBytes).toBe(512 * KiB);
    pass(window, 10, 0);
    expect(window.sizeBytes).toBe(4096 * KiB);
  });

  test('stays when the line, and not the window, is what is slow', () => {
    const window = new ReceiveWindow(rule, measured(30), 0);
    pass(window, 5, 210);
    expect(window.sizeBytes).toBe(256 * KiB);
  });

  test('stays when the round trip has doubled: the line is queueing', () => {
    const window = new ReceiveWindow(rule, measured(30, 61), 0);
    pass(window, 5, 50);
    expect(window.sizeBytes).toBe(256 * KiB);
  });

  test('stays while the process is short of memory', () => {
    const window = new ReceiveWindow(rule, measured(80), 0);
    pass(window, 5, 10, false);
    expect(window.sizeBytes).toBe(256 * KiB);
  });

  test('of a connection halves when the round trip exceeds four times its minimum, never below where it began', () => {
    const rtt = measured(80);
    const window = new ReceiveWindow({ ...rule, yieldsToQueue: true }, rtt, 0);
    pass(window, 2, 0);
    expect(window.sizeBytes).toBe(1024 * KiB);
    rtt.sample(400);
    pass(window, 1, 500);
    expect(window.sizeBytes).toBe(512 * KiB);
    pass(window, 5, 500);
    expect(window.sizeBytes).toBe(256 * KiB);
    expect(window.outstandingBytes).toBeLessThanOrEqual(256 * KiB);
  });
});

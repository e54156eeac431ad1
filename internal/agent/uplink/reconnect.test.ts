// When an agent dials again: full jitter for what passes by itself, minutes for what somebody has to mend.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { closeCode } from '../../wire/names.ts';
import type { Ending } from './ending.ts';
import { moveDelayMs, reconnectDelayMs } from './reconnect.ts';

const broken: Ending = { kind: 'closed', code: 1006, reason: '' };
const almostOne = () => 1 - Number.EPSILON;

function refusal(status: number, retryAfterMs = 0, retryable = true): Ending {
  return { kind: 'refused', status, error: '', retryable, retryAfterMs };
}

describe('reconnectDelayMs', () => {
  test('is at most half a second after the first break, and doubles up to 30 s', () => {
    const longest = [0, 1, 2, 3, 5, 6, 7, 100].map((tries) => Math.round(reconnectDelayMs(broken, tries, almostOne)));
    expect(longest).toEqual([500, 1000, 2000, 4000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('may be nothing at all, at every try', () => {
    expect(reconnectDelayMs(broken, 9, () => 0)).toBe(0);
  });

  test.each([
    ['a key that is not accepted', refusal(401)],
    ['an agent that is not allowed', refusal(403)],
    ['a refusal that says it stays one', refusal(400, 0, false)],
    ['a key that was revoked', { kind: 'closed', code: closeCode.unauthenticated, reason: '' }],
    ['another agent of the same name', { kind: 'closed', code: closeCode.replaced, reason: '' }],
    ['a version that is too old', { kind: 'unwelcome', why: '', tooOld: true }],
  ] satisfies [string, Ending][])('waits one to five minutes after %s', (_what, ending) => {
    fc.assert(
      fc.property(fc.nat(50), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (tries, random) => {
        const delayMs = reconnectDelayMs(ending, tries, () => random);
        expect(delayMs).toBeGreaterThanOrEqual(60_000);
        expect(delayMs).toBeLessThanOrEqual(300_000);
      }),
    );
  });

  test('adds its jitter to the Retry-After of the orchestrator, so that a crowd does not come back in step', () => {
    expect(reconnectDelayMs(refusal(503, 7_000), 0, () => 0)).toBe(7_000);
    expect(reconnectDelayMs(refusal(503, 7_000), 0, () => 0.5)).toBe(7_250);
  });

  test('honours a Retry-After longer than the wait for a mended key, up to an hour', () => {
    expect(reconnectDelayMs(refusal(401, 900_000), 0, () => 0)).toBe(900_000);
    expect(reconnectDelayMs(refusal(401, 86_400_000), 0, () => 0)).toBe(3_600_000);
  });
});

describe('moveDelayMs', () => {
  test('falls anywhere within the spread of the pod', () => {
    expect(moveDelayMs(10_000, 0, () => 0)).toBe(0);
    expect(moveDelayMs(10_000, 0, () => 0.5)).toBe(5_000);
  });

  test('backs off when pod after pod drains at once', () => {
    expect(moveDelayMs(0, 0, () => 0.5)).toBe(0);
    expect(moveDelayMs(0, 4, () => 0.5)).toBe(4_000);
  });

  test('is bounded whatever the pod says', () => {
    expect(moveDelayMs(0xffff_ffff, 0, almostOne)).toBeLessThanOrEqual(300_000);
  });
});

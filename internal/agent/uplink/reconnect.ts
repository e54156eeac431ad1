// When to dial again. Full jitter spreads a crowd of agents that lost their pod at one moment; what only a person can
// mend is tried seldom; and the orchestrator's own Retry-After is honoured on top.
import { fullJitterMs } from '../../kit/backoff.ts';
import type { Random } from '../../kit/clock.ts';
import { closeCode } from '../../wire/names.ts';
import type { Ending } from './ending.ts';

export const reconnect = {
  baseMs: 500,
  maxMs: 30_000,
  /** A wrong key does not become right by asking often, and each try costs the orchestrator a look-up. */
  ownerMinMs: 60_000,
  ownerMaxMs: 300_000,
  /** So long a connection must have been welcomed for the tries before it to be forgotten. */
  provenAfterMs: 30_000,
  /** Of a connection that was welcomed not more count, 2 s at most: when pods die one after the other, the next one lives. */
  maxTriesOnceWelcome: 2,
  maxRetryAfterMs: 3_600_000,
  maxSpreadMs: 300_000,
} as const;

/** `tries` counts the connections in a row, before this one, that did not last. */
export function reconnectDelayMs(ending: Ending, tries: number, random: Random): number {
  const retryAfterMs = ending.kind === 'refused' ? Math.min(ending.retryAfterMs, reconnect.maxRetryAfterMs) : 0;
  if (needsOwner(ending)) {
    return Math.max(retryAfterMs, reconnect.ownerMinMs + random() * (reconnect.ownerMaxMs - reconnect.ownerMinMs));
  }
  return retryAfterMs + fullJitterMs(tries, reconnect.baseMs, reconnect.maxMs, random);
}

/** When the pod drains it says over how long its agents spread; one that cannot keep a pod also backs off. */
export function moveDelayMs(spreadMs: number, tries: number, random: Random): number {
  const backoffMs = tries === 0 ? 0 : fullJitterMs(tries, reconnect.baseMs, reconnect.maxMs, random);
  return random() * Math.min(spreadMs, reconnect.maxSpreadMs) + backoffMs;
}

/** Whether somebody has to do something before another try can succeed. */
export function needsOwner(ending: Ending): boolean {
  switch (ending.kind) {
    case 'refused':
      return ending.status === 401 || ending.status === 403 || !ending.retryable;
    case 'unwelcome':
      return ending.tooOld;
    case 'closed':
      return (
        ending.code === closeCode.unauthenticated ||
        ending.code === closeCode.replaced ||
        ending.code === closeCode.upgradeRequired
      );
    case 'unreachable':
    case 'abandoned':
      return false;
  }
}

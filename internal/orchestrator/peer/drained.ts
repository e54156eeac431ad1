// Waits for the streams of connections to end: a pod that goes away gives its links up last.
import { type Clock, sleep } from '../../kit/clock.ts';
import { peerLimits } from './peer-limits.ts';

interface Draining {
  readonly mux: { readonly streamCount: number };
}

/** Resolves when none of them has a stream, or the grace is over. The set may change meanwhile. */
export async function drained(connections: Iterable<Draining>, graceMs: number, clock: Clock): Promise<void> {
  const until = clock.now() + graceMs;
  while (hasStreams(connections)) {
    const leftMs = until - clock.now();
    if (leftMs <= 0) return;
    await sleep(clock, Math.min(leftMs, peerLimits.drainCheckMs));
  }
}

function hasStreams(connections: Iterable<Draining>): boolean {
  for (const { mux } of connections) if (mux.streamCount > 0) return true;
  return false;
}

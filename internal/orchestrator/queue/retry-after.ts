// When an origin asks to come back later (RFC 9110 10.2.3): seconds, or a date.
import type { Header } from '../channel/link.ts';
import { queueLimits } from './queue-limits.ts';

/** Milliseconds from `wallMs` on; 0 when the answer asks nothing that can be read. */
export function retryAfterMs(headers: readonly Header[], wallMs: number): number {
  const value = headers.find(({ name }) => name.toLowerCase() === 'retry-after')?.value.trim() ?? '';
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallMs;
  return Number.isNaN(ms) ? 0 : Math.min(queueLimits.maxRetryAfterMs, Math.max(0, ms));
}

// Reads what the orchestrator says when it refuses an upgrade: the status, a JSON body {error, retryable}, Retry-After.
// A proxy in between may answer as well, so nothing of it is taken for granted.
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../kit/clock.ts';
import type { Ending } from './ending.ts';

const maxBodyBytes = 4096;
const maxErrorChars = 200;

/** Reads a bounded part of the body; whoever called bounds the time. Never rejects. */
export async function readRefusal(response: IncomingMessage, clock: Clock): Promise<Ending> {
  const { error, retryable } = parseBody(await readText(response));
  const status = response.statusCode ?? 0;
  return { kind: 'refused', status, error, retryable, retryAfterMs: retryAfterMs(response, clock) };
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBodyBytes) return '';
    }
  } catch {
    return '';
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string): { error: string; retryable: boolean } {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) {
      const error = 'error' in body && typeof body.error === 'string' ? body.error.slice(0, maxErrorChars) : '';
      return { error, retryable: !('retryable' in body && body.retryable === false) };
    }
  } catch {
    // Not the orchestrator's own answer.
  }
  return { error: '', retryable: true };
}

/** RFC 9110 10.2.3: seconds, or a date. */
function retryAfterMs(response: IncomingMessage, clock: Clock): number {
  const value = response.headers['retry-after'];
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - clock.wallMs());
}

// How an upgrade is refused: a status, `{error, retryable}` for the agent's log, and when to come back.
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

export interface Refusal {
  readonly status: number;
  /** For the agent's owner. Never says whether a key id exists. */
  readonly error: string;
  /** Whether trying again may help without anybody changing something. */
  readonly retryable: boolean;
  readonly retryAfterS?: number;
}

/** Answers and ends the connection. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const { status } = refusal;
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`];
  for (const [name, value] of Object.entries(refusalHeaders(refusal))) lines.push(`${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${refusalBody(refusal)}`);
}

export function refusalHeaders(refusal: Refusal): Record<string, string> {
  const headers: Record<string, string> = {
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(refusalBody(refusal))),
  };
  if (refusal.retryAfterS !== undefined) headers['retry-after'] = String(refusal.retryAfterS);
  if (refusal.status === 426) headers.upgrade = 'websocket';
  if (refusal.status === 401) headers['www-authenticate'] = 'Bearer';
  return headers;
}

export function refusalBody({ error, retryable }: Refusal): string {
  return JSON.stringify({ error, retryable });
}

// How a callback is signed: Standard Webhooks, symmetric. `v1,` and the base64 of an HMAC-SHA256 over id, time and body;
// one signature for each secret, so that a receiver can change its secret without missing a callback.
import { createHmac } from 'node:crypto';

const prefix = 'whsec_';
const minSecretBytes = 24;
const maxSecretBytes = 64;

/** Reads `whsec_` and base64 of 24 to 64 bytes. Throws an Error that never holds the secret. */
export function parseSecret(text: string): Buffer {
  const bytes = Buffer.from(text.slice(prefix.length), 'base64');
  if (!text.startsWith(prefix) || bytes.toString('base64') !== text.slice(prefix.length))
    throw new Error('must be whsec_ and base64 (RFC 4648, with padding)');
  if (bytes.length < minSecretBytes || bytes.length > maxSecretBytes)
    throw new Error(`must hold ${minSecretBytes} to ${maxSecretBytes} bytes`);
  return bytes;
}

/** `timestamp` is Unix time in seconds. */
export function signatures(secrets: readonly Buffer[], id: string, timestamp: number, body: string): string {
  const signed = `${id}.${timestamp}.${body}`;
  return secrets.map((secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`).join(' ');
}

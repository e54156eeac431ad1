import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { parseSecret, signatures } from './signature.ts';

const secret = () => `whsec_${randomBytes(32).toString('base64')}`;
const body = '{"type":"job.succeeded"}';

function headers(secrets: readonly string[], now = Date.now()): Record<string, string> {
  const timestamp = Math.floor(now / 1000);
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures(secrets.map(parseSecret), 'msg_1', timestamp, body),
  };
}

describe('a signature', () => {
  test('is one that the public library of Standard Webhooks takes', () => {
    const own = secret();
    expect(new Webhook(own).verify(body, headers([own]))).toEqual({ type: 'job.succeeded' });
  });

  test('is made with each secret, so that a receiver may change to the new one whenever it likes', () => {
    const [old, fresh] = [secret(), secret()];
    for (const known of [old, fresh]) expect(new Webhook(known).verify(body, headers([fresh, old]))).toBeDefined();
    expect(() => new Webhook(secret()).verify(body, headers([fresh, old]))).toThrow();
  });

  test('says nothing of another body', () => {
    const own = secret();
    expect(() => new Webhook(own).verify(`${body} `, headers([own]))).toThrow();
  });
});

test.each([
  ['another prefix', `secret_${randomBytes(32).toString('base64')}`],
  ['too few bytes', `whsec_${randomBytes(23).toString('base64')}`],
  ['too many bytes', `whsec_${randomBytes(65).toString('base64')}`],
  ['base64 of another alphabet', `whsec_${Buffer.alloc(32, 0xff).toString('base64url')}`],
  ['nothing', ''],
])('a secret with %s is refused, in words that do not hold it', (_, text) => {
  expect(() => parseSecret(text)).toThrow(/^must /);
  const message = (() => {
    try {
      return parseSecret(text).toString();
    } catch (error) {
      return String(error);
    }
  })();
  if (text !== '') expect(message).not.toContain(text);
});

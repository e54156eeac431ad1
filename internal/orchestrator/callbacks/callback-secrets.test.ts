import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { ManualClock } from '../../kit/manual-clock.ts';
import { CallbackSecrets } from './callback-secrets.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterEach(() => rm(dir, { recursive: true }));

const secret = `whsec_${randomBytes(32).toString('base64')}`;

async function read(content: unknown): Promise<CallbackSecrets> {
  const path = join(dir, 'secrets.json');
  if (content !== undefined) await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  const secrets = new CallbackSecrets({ path, clock: new ManualClock(), log: pino({ enabled: false }) });
  await secrets.start().finally(() => secrets.stop());
  return secrets;
}

describe('the secrets of callbacks', () => {
  test('are each tenant’s own', async () => {
    const secrets = await read({ secrets: [{ tenant: 'acme', secrets: [secret] }] });
    expect(secrets.of('acme').map((bytes) => bytes.toString('base64'))).toEqual([secret.slice('whsec_'.length)]);
    expect(secrets.of('beta')).toEqual([]);
  });

  test('without a file nobody has one', async () => {
    expect((await read(undefined)).of('acme')).toEqual([]);
  });

  test.each([
    ['a word that is not known', { secrets: [], keys: [] }],
    ['a tenant without a secret', { secrets: [{ tenant: 'acme', secrets: [] }] }],
    ['too many secrets', { secrets: [{ tenant: 'acme', secrets: Array.from({ length: 5 }, () => secret) }] }],
    ['a secret that is none', { secrets: [{ tenant: 'acme', secrets: [secret.slice(0, 20)] }] }],
  ])('a file with %s is refused without repeating it', async (_, content) => {
    const refusal = await read(content).then(String, String);
    expect(refusal).toContain('secrets.json');
    expect(refusal).not.toContain(secret.slice(0, 20));
  });
});

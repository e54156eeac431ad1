import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { digestOf } from '../../../kit/digest.ts';
import { ManualClock } from '../../../kit/manual-clock.ts';
import { BearerAuthenticator, OpenAuthenticator } from './authenticator.ts';
import { unlimited } from './caller.ts';
import { CallersFile, parseCallers } from './callers-file.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function entry(name: string, changes: object = {}): object {
  return { name, digest: digestOf(`token of ${name}`), tenant: 'acme', scopes: ['jobs:run'], ...changes };
}

function text(callers: readonly object[], more: object = {}): string {
  return JSON.stringify({ callers, ...more });
}

async function open(content: string | undefined) {
  const dir = await mkdtemp(join(tmpdir(), 'callers-'));
  cleanups.push(() => rm(dir, { recursive: true }));
  const path = join(dir, 'callers.json');
  const write = (next: string) => writeFile(path, next);
  if (content !== undefined) await write(content);
  const lines: { msg: string; fault?: string }[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const file = new CallersFile({ path, clock: new ManualClock(), log });
  cleanups.push(() => file.stop());
  await file.start();
  // A change is taken once it has stood still for one poll.
  const settle = async () => {
    await file.poll();
    await file.poll();
  };
  return { authenticator: new BearerAuthenticator(file), write, settle, lines };
}

test('a caller is known by its token, with tenant, scopes and limits', async () => {
  const { authenticator } = await open(text([entry('a', { limits: { maxInFlight: 3 } }), entry('b')]));
  expect(authenticator.authenticate('Bearer token of a')).toMatchObject({
    name: 'a',
    tenant: 'acme',
    scopes: new Set(['jobs:run']),
    limits: { ...unlimited, maxInFlight: 3 },
  });
  expect(authenticator.authenticate('bearer  token of b ')?.name).toBe('b');
});

test('nothing else lets anybody in, not even the token of nothing', async () => {
  const { authenticator } = await open(text([entry('a', { digest: digestOf('') })]));
  const long = `Bearer ${'x'.repeat(10_000)}`;
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic token of a', 'token of a', 'Bearer token', long])
    expect(authenticator.authenticate(header)).toBeUndefined();
});

test('the file is followed, and a caller keeps what it has used of its limits', async () => {
  const { authenticator, write, settle } = await open(text([entry('a'), entry('b')]));
  const before = authenticator.authenticate('Bearer token of a');
  await write(text([entry('a', { tenant: 'other', digest: digestOf('another token') })]));
  await settle();
  expect(authenticator.authenticate('Bearer token of a')).toBeUndefined();
  expect(authenticator.authenticate('Bearer token of b')).toBeUndefined();
  const after = authenticator.authenticate('Bearer another token');
  expect(after?.tenant).toBe('other');
  expect(after?.load).toBe(before?.load);
});

test('a change with a fault changes nothing, and the log says where the fault is', async () => {
  const { authenticator, write, settle, lines } = await open(text([entry('a')]));
  await write('{"callers": [{"name": "a", "secret": "hush"');
  await settle();
  await write(text([entry('a'), entry('b', { tenant: '' })]));
  await settle();
  expect(authenticator.authenticate('Bearer token of a')?.name).toBe('a');
  const faults = lines.map(({ fault }) => fault ?? '').join('\n');
  expect(faults).toContain('is not JSON');
  expect(faults).toContain('callers[1].tenant: ');
  expect(faults).not.toContain('hush');
});

test('no file means that nobody is known', async () => {
  const { authenticator, lines } = await open(undefined);
  expect(authenticator.authenticate('Bearer token of a')).toBeUndefined();
  expect(lines[0]?.msg).toContain('no callers file');
});

test.each([
  ['a digest twice', text([entry('a'), entry('b', { digest: digestOf('token of a') })]), 'callers[1].digest'],
  ['a name twice', text([entry('a'), entry('a', { digest: digestOf('x') })]), 'callers[1].name'],
  ['a digest that is none', text([entry('a', { digest: 'abc' })]), 'callers[0].digest'],
  ['a scope that is none', text([entry('a', { scopes: ['jobs:all'] })]), 'callers[0].scopes[0]'],
  ['a limit of nothing', text([entry('a', { limits: { maxInFlight: 0 } })]), 'callers[0].limits.maxInFlight'],
  ['a field that is none', text([entry('a', { token: 'x' })]), 'callers[0]'],
  ['providers, which this version does not know', text([], { providers: [{ type: 'jwks' }] }), 'providers'],
])('%s is a fault', (_name, content, where) => {
  expect(() => parseCallers(content, 'callers.json')).toThrow(`callers.json: ${where}: `);
});

test('an empty list of providers is none', () => {
  expect(parseCallers(text([], { providers: [] }), 'callers.json').size).toBe(0);
});

test('a pod without a callers file lets everybody do everything', () => {
  expect(new OpenAuthenticator().authenticate()).toMatchObject({
    tenant: 'local',
    limits: { maxInFlight: Number.POSITIVE_INFINITY },
  });
});

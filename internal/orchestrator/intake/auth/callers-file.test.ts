import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { digestOf } from '../../../kit/digest.ts';
import { ManualClock } from '../../../kit/manual-clock.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { BearerAuthenticator, OpenAuthenticator } from './authenticator.ts';
import { type Caller, unlimited } from './caller.ts';
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

function granted(changes: object = {}): object {
  return { subject: 'robot', tenant: 'acme', scopes: ['jobs:run'], ...changes };
}

function clusterOf(changes: object): object {
  const grant = { namespace: 'ads', serviceAccount: 'checker', tenant: 'acme', scopes: ['jobs:run'], ...changes };
  return { type: 'kubernetes', issuer: undefined, grants: [grant] };
}

function providersText(...changes: readonly object[]): string {
  const provider = { name: 'corp', type: 'jwks', issuer: 'https://issuer.example', grants: [granted()] };
  return text([], { providers: changes.map((change) => ({ ...provider, ...change })) });
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
  const authenticator = new BearerAuthenticator(file);
  /** The caller, or what it is told. */
  const knock = (header: string | undefined): Partial<Caller> & { readonly code?: string } => {
    try {
      return authenticator.authenticate(header, 'rest') as Caller;
    } catch (error) {
      return { code: (error as JobFailure).code };
    }
  };
  return { knock, write, settle, lines };
}

test('a caller is known by its token, with tenant, scopes and limits', async () => {
  const { knock } = await open(text([entry('a', { limits: { maxInFlight: 3 } }), entry('b')]));
  expect(knock('Bearer token of a')).toMatchObject({
    name: 'a',
    tenant: 'acme',
    scopes: new Set(['jobs:run']),
    limits: { ...unlimited, maxInFlight: 3 },
  });
  expect(knock('bearer  token of b ').name).toBe('b');
});

test('nothing else lets anybody in, not even the token of nothing', async () => {
  const { knock } = await open(text([entry('a', { digest: digestOf('') })]));
  const long = `Bearer ${'x'.repeat(10_000)}`;
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic token of a', 'token of a', 'Bearer token', long])
    expect(knock(header)).toEqual({ code: 'UNAUTHENTICATED' });
});

test('the file is followed, and a caller keeps what it has used of its limits', async () => {
  const { knock, write, settle } = await open(text([entry('a'), entry('b')]));
  const before = knock('Bearer token of a');
  await write(text([entry('a', { tenant: 'other', digest: digestOf('another token') })]));
  await settle();
  expect(knock('Bearer token of a')).toEqual({ code: 'UNAUTHENTICATED' });
  expect(knock('Bearer token of b')).toEqual({ code: 'UNAUTHENTICATED' });
  const after = knock('Bearer another token');
  expect(after.tenant).toBe('other');
  expect(after.load).toBe(before.load);
});

test('a change with a fault changes nothing, and the log says where the fault is', async () => {
  const { knock, write, settle, lines } = await open(text([entry('a')]));
  await write('{"callers": [{"name": "a", "secret": "hush"');
  await settle();
  await write(text([entry('a'), entry('b', { tenant: '' })]));
  await settle();
  expect(knock('Bearer token of a').name).toBe('a');
  const faults = lines.map(({ fault }) => fault ?? '').join('\n');
  expect(faults).toContain('is not JSON');
  expect(faults).toContain('callers[1].tenant: ');
  expect(faults).not.toContain('hush');
});

test('no file means that nobody is known', async () => {
  const { knock, lines } = await open(undefined);
  expect(knock('Bearer token of a')).toEqual({ code: 'UNAUTHENTICATED' });
  expect(lines[0]?.msg).toContain('no callers file');
});

test.each([
  ['a digest twice', text([entry('a'), entry('b', { digest: digestOf('token of a') })]), 'callers[1].digest'],
  ['a name twice', text([entry('a'), entry('a', { digest: digestOf('x') })]), 'callers[1].name'],
  ['a digest that is none', text([entry('a', { digest: 'abc' })]), 'callers[0].digest'],
  ['a scope that is none', text([entry('a', { scopes: ['jobs:all'] })]), 'callers[0].scopes[0]'],
  ['a limit of nothing', text([entry('a', { limits: { maxInFlight: 0 } })]), 'callers[0].limits.maxInFlight'],
  ['a field that is none', text([entry('a', { token: 'x' })]), 'callers[0]'],
  ['a provider of a type that is none', providersText({ type: 'saml' }), 'providers[0].type'],
  ['an issuer that anybody on the way could be', providersText({ issuer: 'http://a.example' }), 'providers[0].issuer'],
  ['an issuer with a query', providersText({ issuer: 'https://a.example/?b' }), 'providers[0].issuer'],
  ['an algorithm whose keys make tokens', providersText({ algorithms: ['HS256'] }), 'providers[0].algorithms[0]'],
  ['no algorithm at all', providersText({ algorithms: [] }), 'providers[0].algorithms'],
  ['a leeway of an hour', providersText({ leewaySeconds: 3600 }), 'providers[0].leewaySeconds'],
  ['no audience', providersText({ audience: '' }), 'providers[0].audience'],
  ['two providers of one name', providersText({}, { issuer: 'https://b.example' }), 'providers[1].name'],
  ['two providers of one issuer', providersText({}, { name: 'other' }), 'providers[1].issuer'],
  ['a grant to nobody', providersText({ grants: [granted({ subject: undefined })] }), 'providers[0].grants[0].subject'],
  [
    'a grant of no tenant',
    providersText({ grants: [granted({ tenant: undefined })] }),
    'providers[0].grants[0].tenant',
  ],
  ['a grant of two', providersText({ grants: [granted({ tenantClaim: 't' })] }), 'providers[0].grants[0].tenant'],
  ['a grant of no scope', providersText({ grants: [granted({ scopes: [] })] }), 'providers[0].grants[0].scopes'],
  ['a subject for a cluster', providersText(clusterOf({ subject: 'x' })), 'providers[0].grants[0]'],
  ['half a wildcard', providersText(clusterOf({ serviceAccount: 'x-*' })), 'providers[0].grants[0].serviceAccount'],
])('%s is a fault', (_name, content, where) => {
  expect(() => parseCallers(content, 'callers.json')).toThrow(`callers.json: ${where}: `);
});

test('a provider needs no more than who may come and what they get', () => {
  const cluster = { name: 'cluster', type: 'kubernetes', grants: [] };
  const { providers } = parseCallers(JSON.stringify({ providers: [cluster] }), 'callers.json');
  expect(providers).toEqual([{ ...cluster, audience: 'resproxy', leewaySeconds: 10, algorithms: expect.any(Array) }]);
  expect(parseCallers(providersText({}), 'callers.json').providers).toHaveLength(1);
});

test('a pod without a callers file lets everybody do everything', () => {
  expect(new OpenAuthenticator().authenticate()).toMatchObject({
    tenant: 'local',
    limits: { maxInFlight: Number.POSITIVE_INFINITY },
  });
});

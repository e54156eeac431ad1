import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AgentCounts } from './agent-counts.ts';

const token = 'a-token-of-at-least-16';
let folder: string;
let tokenPath: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-counts-'));
  tokenPath = join(folder, 'token');
  writeFileSync(tokenPath, `${token}\n`);
});

afterEach(() => rmSync(folder, { recursive: true }));

const agents = new Map([
  ['homes.a', 2],
  ['homes.b', 1],
]);
const asked = (path: string | undefined, headers: IncomingHttpHeaders) =>
  new AgentCounts({ tokenPath: path, agents: () => agents }).page(headers);
const ask = (authorization: string) => asked(tokenPath, { authorization });

test('tells how many agents each key has', async () => {
  const { status, body } = await ask(`Bearer ${token}`);
  expect([status, JSON.parse(body)]).toEqual([200, { agents: { 'homes.a': 2, 'homes.b': 1 } }]);
});

test('tells nothing where no token is set', async () => {
  expect(await asked(undefined, { authorization: `Bearer ${token}` })).toMatchObject({
    status: 404,
    body: expect.stringContaining('_FILE'),
  });
});

test.each([
  ['the token', `Bearer ${token}`, 200],
  ['another token', `Bearer ${token}x`, 401],
  ['another scheme', `Basic ${token}`, 401],
  ['an empty header', '', 401],
  ['an empty token', 'Bearer ', 401],
])('%s (%s) is answered %i', async (_what, authorization, status) => {
  expect((await ask(authorization)).status).toBe(status);
});

test('follows a token that is replaced, and allows nobody without one', async () => {
  writeFileSync(tokenPath, 'another-token-of-16');
  expect((await ask(`Bearer ${token}`)).status).toBe(401);
  expect((await ask('Bearer another-token-of-16')).status).toBe(200);
  writeFileSync(tokenPath, '\n');
  expect((await ask('Bearer another-token-of-16')).status).toBe(401);
});

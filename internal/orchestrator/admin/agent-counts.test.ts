import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
const counts = () => new AgentCounts({ tokenPath, agents: () => agents });

test('tells how many agents each key has', () => {
  expect(JSON.parse(counts().report())).toEqual({ agents: { 'homes.a': 2, 'homes.b': 1 } });
});

test.each([
  ['the token', `Bearer ${token}`, true],
  ['another token', `Bearer ${token}x`, false],
  ['another scheme', `Basic ${token}`, false],
  ['nothing', undefined, false],
  ['an empty token', 'Bearer ', false],
])('%s: allowed is %p %p', async (_what, authorization, allowed) => {
  expect(await counts().isAllowed(authorization)).toBe(allowed);
});

test('follows a token that is replaced, and allows nobody without one', async () => {
  writeFileSync(tokenPath, 'another-token-of-16');
  expect(await counts().isAllowed(`Bearer ${token}`)).toBe(false);
  expect(await counts().isAllowed('Bearer another-token-of-16')).toBe(true);
  writeFileSync(tokenPath, '\n');
  expect(await counts().isAllowed('Bearer another-token-of-16')).toBe(false);
});

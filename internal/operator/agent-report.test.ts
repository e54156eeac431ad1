import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ManualClock } from '../kit/manual-clock.ts';
import { AgentReport } from './agent-report.ts';

let folder: string;
let server: Server;
let answer: { status: number; body: string };
let asked: (string | undefined)[];
let reports: number;
let faults: unknown[];
let report: AgentReport;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agent-report-'));
  writeFileSync(join(folder, 'token'), 'the-token\n');
  answer = { status: 200, body: '{"agents":{"homes.a":2}}' };
  [asked, reports, faults] = [[], 0, []];
  server = createServer(({ headers }, response) => {
    asked.push(headers.authorization);
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  report = new AgentReport({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/agent-counts`,
    tokenPath: join(folder, 'token'),
    clock: new ManualClock(),
    onReport: () => reports++,
    onFault: (error) => faults.push(error),
  });
});

afterEach(async () => {
  report.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test('nothing is known before the first answer; then a key that is not named has no agent', async () => {
  expect(report.count('homes.a')).toBeUndefined();
  await report.poll();
  expect([report.count('homes.a'), report.count('homes.b')]).toEqual([2, 0]);
  expect([asked, reports]).toEqual([['Bearer the-token'], 1]);
});

test.each([
  ['a refusal', 401, ''],
  ['what is no report', 200, '{"agents":{"homes.a":"two"}}'],
  ['what is not JSON', 200, '<html>'],
])('%s means that nothing is known, not that nobody is there', async (_what, status, body) => {
  await report.poll();
  answer = { status, body };
  await report.poll();
  expect(report.count('homes.a')).toBeUndefined();
  expect([reports, faults.length]).toEqual([1, 1]);
  expect(String(faults[0])).not.toContain('the-token');
});

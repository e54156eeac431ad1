import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AdminServer } from './admin-server.ts';
import { systemClock } from './clock.ts';
import { Flag, Health } from './health.ts';

const health = new Health();
const listeners = new Flag('starting');
health.add('listeners', listeners.check);
health.note('redis', () => undefined);
let page: () => Promise<string>;
let server: AdminServer;
let base: string;

beforeEach(async () => {
  listeners.unwell('starting');
  page = async () => 'resproxy_jobs_in_flight 0\n';
  server = new AdminServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    health,
    metrics: { contentType: 'text/plain; version=0.0.4', page: () => page() },
    pages: { '/agents': async ({ accept = '' }) => ({ status: 200, type: accept, body: 'none' }) },
  });
  base = `http://127.0.0.1:${(await server.listen()).port}`;
});

afterEach(() => server.close());

test('a process whose loop turns is alive, ready or not', async () => {
  expect((await fetch(`${base}/livez`)).status).toBe(200);
});

test('a program is ready when every part of it is well, and says which is not', async () => {
  const early = await fetch(`${base}/readyz`);
  expect(early.status).toBe(503);
  expect(await early.json()).toEqual({ ready: false, checks: { listeners: 'starting', redis: 'OK' } });
  listeners.well();
  const later = await fetch(`${base}/readyz`);
  expect(later.status).toBe(200);
  expect(await later.json()).toEqual({ ready: true, checks: { listeners: 'OK', redis: 'OK' } });
});

test('a page of its own is told what was asked', async () => {
  const answer = await fetch(`${base}/agents`, { headers: { accept: 'text/csv' } });
  expect([answer.headers.get('content-type'), await answer.text()]).toEqual(['text/csv', 'none']);
});

test('metrics carry the content type that Prometheus expects', async () => {
  const answer = await fetch(`${base}/metrics`);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4');
  expect(await answer.text()).toBe('resproxy_jobs_in_flight 0\n');
});

test('metrics that cannot be collected are a 500 without particulars', async () => {
  page = () => Promise.reject(new Error('secret particulars'));
  const answer = await fetch(`${base}/metrics`);
  expect(answer.status).toBe(500);
  expect(await answer.text()).not.toContain('secret');
});

test('anything else is refused', async () => {
  expect((await fetch(`${base}/livez`, { method: 'POST' })).status).toBe(405);
  for (const path of ['metricsx', 'constructor', '']) expect((await fetch(`${base}/${path}`)).status).toBe(404);
  expect((await fetch(`${base}/livez?probe=1`)).status).toBe(200);
  expect(await (await fetch(`${base}/livez`, { method: 'HEAD' })).text()).toBe('');
});

test('closing ends connections that are still open', async () => {
  const socket = connect(Number(new URL(base).port), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  await server.close();
  await closed;
});

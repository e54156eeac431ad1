import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { EchoOrigin } from './echo.ts';

let origin = new EchoOrigin();
beforeEach(async () => {
  origin = new EchoOrigin();
  await origin.start(0);
});
afterEach(() => origin.stop());

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${origin.port}${path}`, init);

test('/echo tells method, path, headers and text', async () => {
  const response = await ask('/echo?q=1', { method: 'POST', body: 'hello', headers: { 'x-mine': 'yes' } });
  expect(await response.json()).toMatchObject({
    method: 'POST',
    path: '/echo?q=1',
    headers: { 'x-mine': 'yes', 'content-length': '5' },
    body: 'hello',
  });
});

test('a body that is no text comes back as base64', async () => {
  const response = await ask('/echo', { method: 'POST', body: Uint8Array.of(0xff, 0x00) });
  expect(await response.json()).toMatchObject({ bodyBase64: '/wA=' });
});

test('there is no other page', async () => {
  expect((await ask('/echoes')).status).toBe(404);
});

test('a port that is taken makes it listen elsewhere', async () => {
  const second = new EchoOrigin();
  await second.start(origin.port);
  try {
    expect(second.port).not.toBe(origin.port);
  } finally {
    await second.stop();
  }
});

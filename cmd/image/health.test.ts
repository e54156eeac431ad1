// The image's health check against a real admin door.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isHealthy } from './health.ts';

const orchestrator = ['node', '/app/cmd/image/main.ts', 'orchestrator', ''];
let status = 200;
const asked: (string | undefined)[] = [];
const door = createServer((request, response) => {
  asked.push(request.url);
  response.writeHead(status).end('ok');
});

beforeAll(async () => {
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
});
afterAll(() => {
  door.close();
  door.closeAllConnections();
});

const env = (bind?: string) => ({
  RESPROXY_ADMIN_PORT: String((door.address() as AddressInfo).port),
  ...(bind !== undefined && { RESPROXY_ADMIN_BIND: bind }),
});

describe('a container', () => {
  test.each([undefined, '0.0.0.0', '127.0.0.1'])(
    'with an orchestrator bound to %s is asked for /livez',
    async (bind) => {
      status = 200;
      expect(await isHealthy(orchestrator, env(bind))).toBe(true);
      expect(asked.at(-1)).toBe('/livez');
    },
  );

  test('with an orchestrator that answers otherwise is not healthy', async () => {
    status = 503;
    expect(await isHealthy(orchestrator, env())).toBe(false);
  });

  test('with an orchestrator that does not answer is not healthy', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    expect(await isHealthy(orchestrator, { RESPROXY_ADMIN_PORT: String(port) })).toBe(false);
  });

  test('with another program is healthy as long as it runs', async () => {
    const before = asked.length;
    expect(await isHealthy(['node', '/app/cmd/image/main.ts', 'agent', ''], env())).toBe(true);
    expect(asked).toHaveLength(before);
  });
});

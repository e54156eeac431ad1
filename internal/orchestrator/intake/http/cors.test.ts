import { afterEach, expect, test } from '@jest/globals';
import { type Doors, openDoors, token } from '../fixture.ts';

const page = 'https://app.example.org';
const paths = ['/resproxy.v1.JobService/RunJob', '/jobs?sync=true'];
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(corsOrigins: readonly string[]): Promise<Doors> {
  const doors = await openDoors({ corsOrigins });
  cleanups.push(() => doors.close());
  return doors;
}

function preflight(doors: Doors, path: string, origin: string): Promise<Response> {
  const headers = { origin, 'access-control-request-method': 'POST' };
  return fetch(doors.httpUrl + path, { method: 'OPTIONS', headers });
}

function call(doors: Doors, path: string, headers: Record<string, string>): Promise<Response> {
  return fetch(doors.httpUrl + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{}',
  });
}

test.each(paths)('a page that is named may ask first, without a token: %s', async (path) => {
  const doors = await open(['https://other.example.org', page]);
  const { status, headers } = await preflight(doors, path, page);
  expect(status).toBe(204);
  expect(headers.get('access-control-allow-origin')).toBe(page);
  expect(headers.get('access-control-allow-methods')).toContain('POST');
  expect(headers.get('vary')).toBe('Origin');
  for (const name of ['Authorization', 'Content-Type', 'Connect-Protocol-Version', 'Connect-Timeout-Ms', 'X-Grpc-Web'])
    expect(headers.get('access-control-allow-headers')?.toLowerCase()).toContain(name.toLowerCase());
  expect(doors.told.refusedJobs).toEqual([]);
});

test.each(paths)('its page may read the answer, a refusal too: %s', async (path) => {
  const doors = await open([page]);
  for (const authorization of [`Bearer ${token}`, 'Bearer wrong']) {
    const { headers } = await call(doors, path, { origin: page, authorization });
    expect(headers.get('access-control-allow-origin')).toBe(page);
    const exposed = headers.get('access-control-expose-headers')?.toLowerCase().split(', ');
    expect(exposed).toEqual(expect.arrayContaining(['grpc-status-details-bin', 'location', 'retry-after']));
  }
});

test.each(paths)('a page that is not named gets nothing of it: %s', async (path) => {
  for (const origins of [[], [page]]) {
    const doors = await open(origins);
    for (const origin of ['https://evil.example.org', `${page}.evil.org`, 'null']) {
      const asked = await preflight(doors, path, origin);
      expect(asked.status).toBe(405);
      const answered = await call(doors, path, { origin, authorization: `Bearer ${token}` });
      for (const { headers } of [asked, answered]) expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  }
});

test('a star lets every page in', async () => {
  const doors = await open(['*']);
  const { status, headers } = await preflight(doors, '/agents', 'https://any.example.org');
  expect([status, headers.get('access-control-allow-origin')]).toEqual([204, '*']);
});

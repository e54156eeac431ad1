// The client against a small server on loopback: what goes over the wire, and over how many connections.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Agent } from 'undici';
import { KubeClient, linesOf } from './kube-client.ts';

const kind = { api: '/apis/resproxy.dev/v1alpha1', plural: 'agentkeys' };
const object = { metadata: { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '1' } };
const pools = { calls: new Agent({ connections: 2 }), watches: new Agent() };

let server: Server;
let url: string;
let seen: string[];
let connections: number;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let mayWrite: boolean;
let client: KubeClient;

beforeEach(async () => {
  seen = [];
  connections = 0;
  mayWrite = true;
  answer = (_request, response) => response.end(JSON.stringify(object));
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    answer(request, response);
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new KubeClient({
    credentials: {
      namespace: 'n',
      access: async () => ({ server: url, headers: { Authorization: 'Bearer t' }, ...pools }),
      close: async () => {},
    },
    userAgent: 'test',
    mayWrite: () => mayWrite,
  });
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const refuse = (status: number, reason: string) => {
  answer = (_request, response) => {
    response.statusCode = status;
    response.end(JSON.stringify({ kind: 'Status', reason, message: `told: ${reason}` }));
  };
};

test('speaks to the object, its status and the collection', async () => {
  await client.get(kind, { namespace: 'n', name: 'a' });
  await client.create(kind, 'n', { apiVersion: 'x', kind: 'y', metadata: {} });
  await client.replace(kind, object);
  await client.replaceStatus(kind, object);
  await client.page(kind, undefined, { limit: '5', continue: undefined });
  await client.document('/openid/v1/jwks');
  const base = '/apis/resproxy.dev/v1alpha1';
  expect(seen).toEqual([
    `GET ${base}/namespaces/n/agentkeys/a Bearer t`,
    `POST ${base}/namespaces/n/agentkeys Bearer t`,
    `PUT ${base}/namespaces/n/agentkeys/a Bearer t`,
    `PUT ${base}/namespaces/n/agentkeys/a/status Bearer t`,
    `GET ${base}/agentkeys?limit=5 Bearer t`,
    'GET /openid/v1/jwks Bearer t',
  ]);
});

test('a document is asked for as what the API server has: its keys are JSON by another name', async () => {
  answer = (request, response) => response.end(JSON.stringify(request.headers.accept));
  expect(await client.document('/openid/v1/jwks')).toBe('application/json, application/jwk-set+json');
});

test('a hundred calls take two connections', async () => {
  await Promise.all(Array.from({ length: 100 }, () => client.get(kind, { namespace: 'n', name: 'a' })));
  expect(seen).toHaveLength(100);
  expect(connections).toBeLessThanOrEqual(2);
});

test.each([
  [409, 'AlreadyExists', 'already-exists'],
  [409, 'Conflict', 'conflict'],
  [403, 'Forbidden', 'forbidden'],
  [410, 'Expired', 'expired'],
  [422, 'Invalid', 'invalid'],
  [500, 'InternalError', 'server'],
  [429, 'TooManyRequests', 'server'],
])('%d %s is %s', async (status, reason, fault) => {
  refuse(status, reason);
  await expect(client.replace(kind, object)).rejects.toMatchObject({
    fault,
    message: expect.stringContaining(`told: ${reason}`),
  });
});

test('an object that is not there is undefined', async () => {
  refuse(404, 'NotFound');
  expect(await client.get(kind, { namespace: 'n', name: 'a' })).toBeUndefined();
});

test('an answer that is no Status, or no answer, is a fault like others', async () => {
  answer = (_request, response) => {
    response.statusCode = 502;
    response.end('<html>');
  };
  await expect(client.replace(kind, object)).rejects.toMatchObject({ fault: 'server' });
  answer = (request) => request.socket.destroy();
  await expect(client.replace(kind, object)).rejects.toMatchObject({ fault: 'unreachable' });
});

test('who may not write reads on, and keeps its Lease', async () => {
  mayWrite = false;
  await expect(client.replaceStatus(kind, object)).rejects.toMatchObject({ fault: 'not-leader' });
  await expect(client.create(kind, 'n', { apiVersion: 'x', kind: 'y', metadata: {} })).rejects.toThrow('does not lead');
  expect(seen).toEqual([]);
  await client.get(kind, { namespace: 'n', name: 'a' });
  await client.replace(kind, object, { always: true });
  expect(seen).toHaveLength(2);
});

test('a watch tells every event, ends when the server ends it, and throws when it breaks off', async () => {
  answer = (_request, response) => {
    response.write(`${JSON.stringify({ type: 'ADDED', object })}\n{"type":"BOOK`);
    setImmediate(() => response.end(`MARK","object":{"metadata":{}}}\n`));
  };
  const types: string[] = [];
  const watch = () => client.watch(kind, 'n', { resourceVersion: '7' }, new AbortController().signal);
  for await (const { type } of watch()) types.push(type);
  expect(types).toEqual(['ADDED', 'BOOKMARK']);
  expect(seen[0]).toContain('?resourceVersion=7&watch=true&allowWatchBookmarks=true');

  answer = (request, response) => {
    response.write('\n', () => request.socket.destroy());
  };
  await expect(async () => {
    for await (const _event of watch());
  }).rejects.toMatchObject({ fault: 'unreachable' });
});

test('an abort ends a watch', async () => {
  answer = (_request, response) => response.flushHeaders();
  const abort = new AbortController();
  const watching = (async () => {
    for await (const _event of client.watch(kind, 'n', {}, abort.signal));
  })();
  setImmediate(() => abort.abort());
  await expect(watching).rejects.toMatchObject({ fault: 'unreachable' });
});

test('lines are whole, wherever the bytes were cut', async () => {
  const bytes = Buffer.from('größe\nzwei\n');
  async function* cut() {
    for (const byte of bytes) yield Uint8Array.of(byte);
  }
  const lines: string[] = [];
  for await (const line of linesOf(cut())) lines.push(line);
  expect(lines).toEqual(['größe', 'zwei']);
});

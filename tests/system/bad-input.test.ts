// What callers get wrong, through the real doors: every mistake is named, and none reaches an agent.
import { once } from 'node:events';
import { connect } from 'node:net';
import { status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import { JobService, type RunJobRequest } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { shared, story } from '../harness/story.ts';
import { within } from '../harness/waiting.ts';

const runJob = JobService.method.runJob;
const MiB = 1024 * 1024;

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster, good: origin.url('/echo') };
});

/** A REST body is refused as 400 (or 413), and the message names the field. */
async function expectRefused(body: unknown, field: string, codes = ['INVALID_REQUEST']): Promise<void> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const { status: code, json, headers } = await lab().cluster.rest.request('POST', '/jobs?sync=true', text);
  expect({ body: text.slice(0, 200), code, failure: codes.includes(String(json.code)) }).toMatchObject({
    code: codes.includes('REQUEST_TOO_LARGE') ? expect.any(Number) : 400,
    failure: true,
  });
  expect(headers.get('content-type')).toContain('application/problem+json');
  expect(JSON.stringify(json)).toContain(field);
  expect(json).toMatchObject({
    message: expect.any(String),
    execution: 'NOT_STARTED',
    retryable: false,
  });
}

story('text that is no JSON, JSON that is no object, fields that do not exist', async () => {
  const { good } = lab();
  for (const text of ['', '{', '[]', 'null', '"x"', '17']) await expectRefused(text, '');
  await expectRefused({ url: good, metod: 'GET' }, 'metod');
  await expectRefused({}, 'url');
  await expectRefused({ url: 17 }, 'url');
});

story('URLs that are none, or that nobody may ask for', async () => {
  const urls = [
    '',
    'example.com',
    '/path',
    'ftp://example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://',
    'http:///path',
    'http://user:secret@example.com/',
    'http://example.com:0/',
    'http://example.com:99999/',
    'http://exa mple.com/',
    'http://example.com/a b',
    'http://example.com/\r\nX-Injected: 1',
    `http://example.com/${'x'.repeat(9000)}`,
  ];
  for (const url of urls) await expectRefused({ url }, 'url', ['INVALID_REQUEST', 'REQUEST_TOO_LARGE']);
});

story('methods that are no token, or not for callers', async () => {
  const { good: url } = lab();
  for (const method of ['GE T', 'GET\r\n', 'CONNECT', 'TRACE', 'x'.repeat(1000), 7]) {
    await expectRefused({ url, method }, 'method');
  }
});

story('headers that would inject, mislead or belong to the connection', async () => {
  const { good: url } = lab();
  const headers = [
    { 'x-a': 'b\r\nc: d' },
    { 'x-a': 'b\nc' },
    { 'x-a': 'b\0' },
    { 'x a': 'b' },
    { '': 'b' },
    { 'x-a': '\u0100' },
    { connection: 'close' },
    { 'transfer-encoding': 'chunked' },
    { 'content-length': '5' },
    { te: 'trailers' },
    { upgrade: 'h2c' },
    { 'keep-alive': 'timeout=5' },
    { 'proxy-authorization': 'Basic eA==' },
    { expect: '100-continue' },
    { host: 'elsewhere.example' },
  ];
  for (const each of headers) await expectRefused({ url, headers: each }, 'headers');
  const many = Array.from({ length: 257 }, (_, i) => [`x-${i}`, 'v']);
  await expectRefused({ url, headers: many }, 'headers', ['INVALID_REQUEST', 'REQUEST_TOO_LARGE']);
  await expectRefused({ url, headers: { 'x-a': 'v'.repeat(70_000) } }, 'headers', [
    'INVALID_REQUEST',
    'REQUEST_TOO_LARGE',
  ]);
});

story('the Host of the URL itself may be named', async () => {
  const { cluster, good: url } = lab();
  const answer = await cluster.rest.runJob({ url, headers: { Host: new URL(url).host } });
  expect(answer.status).toBe(200);
});

story('bodies and encodings that do not fit', async () => {
  const { good: url } = lab();
  await expectRefused({ url, method: 'POST', body: 7 }, 'body');
  await expectRefused({ url, method: 'POST', body: '%%%', bodyEncoding: 'base64' }, 'body');
  await expectRefused({ url, method: 'POST', body: 'x', bodyEncoding: 'rot13' }, 'bodyEncoding');
});

story('timeouts of nothing, of less, of too much', async () => {
  const { cluster, good: url } = lab();
  for (const timeoutMs of [0, -1, 600_001, 1.5, '5', 1e300]) await expectRefused({ url, timeoutMs }, 'timeout');
  for (const timeout of [
    {},
    { seconds: -1n },
    { seconds: 601n },
    { seconds: 0n, nanos: -5 },
    { seconds: 10n ** 12n },
  ]) {
    const failure = await cluster.grpc.failure(runJob, { request: { url }, timeout });
    expect(failure).toMatchObject({ status: status.INVALID_ARGUMENT, info: { reason: 'INVALID_REQUEST' } });
    expect(failure.message).toContain('timeout');
  }
});

story('targets that cannot be', async () => {
  const { good: url } = lab();
  await expectRefused({ url, target: { country: 'Germany' } }, 'target');
  await expectRefused({ url, target: { asn: -1 } }, 'target');
  await expectRefused({ url, target: { labels: { 'a b': 'c' } } }, 'target');
  await expectRefused({ url, target: { planet: 'mars' } }, 'planet');
});

story('gRPC refuses the same things by the same names', async () => {
  const { cluster, good: url } = lab();
  const wrong: [Partial<RunJobRequest['request']>, string][] = [
    [{}, 'url'],
    [{ url: 'ftp://example.com/' }, 'url'],
    [{ url: 'http://user@example.com/' }, 'url'],
    [{ url, method: 'CONNECT' }, 'method'],
    [{ url, headers: [{ $typeName: 'resproxy.v1.Header', name: 'x', value: 'a\r\nb' }] }, 'headers'],
    [{ url, headers: [{ $typeName: 'resproxy.v1.Header', name: 'content-length', value: '1' }] }, 'headers'],
  ];
  for (const [request, field] of wrong) {
    const failure = await cluster.grpc.failure(runJob, { request } as RunJobRequest);
    expect(failure.status).toBe(status.INVALID_ARGUMENT);
    expect(failure.info?.reason).toBe('INVALID_REQUEST');
    expect(failure.message).toContain(field);
  }
  expect((await cluster.grpc.failure(runJob, {})).message).toContain('request');
});

story('a field that this version does not honour is refused by its name', async () => {
  const { cluster, good: url } = lab();
  const retry = { retryOnStatus: [503] };
  const failure = await cluster.grpc.failure(runJob, { request: { url }, retry });
  expect(failure).toMatchObject({ status: status.UNIMPLEMENTED, info: { reason: 'UNIMPLEMENTED' } });
  expect(failure.message).toContain('retry.retry_on_status');
  const answer = await cluster.rest.request('POST', '/jobs?sync=true', JSON.stringify({ url, retry }));
  expect(answer.status).toBe(501);
  expect(JSON.stringify(answer.json)).toContain('retry.retryOnStatus');
});

story('a body over 16 MiB is too large at both doors', async () => {
  const { cluster, good: url } = lab();
  const body = Buffer.alloc(16 * MiB + 1);
  const failure = await cluster.grpc.failure(runJob, { request: { url, method: 'POST', body } });
  expect(['REQUEST_TOO_LARGE', undefined]).toContain(failure.info?.reason);
  expect([status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED]).toContain(failure.status);
  const json = JSON.stringify({ url, method: 'POST', body: body.toString('base64'), bodyEncoding: 'base64' });
  const answer = await cluster.rest.request('POST', '/jobs?sync=true', json);
  expect(answer.status).toBe(413);
  expect(answer.json).toMatchObject({ code: 'REQUEST_TOO_LARGE' });
  const fits = await cluster.grpc.call(runJob, {
    request: { url, method: 'POST', body: Buffer.alloc(16 * MiB - 1000) },
  });
  expect(fits.response?.statusCode).toBe(200);
});

story('an answer over 16 MiB is too large for RunJob', async () => {
  const { cluster, origin } = lab();
  const failure = await cluster.grpc.failure(runJob, { request: { url: origin.url('/stream/17') } });
  expect(failure.info?.reason).toBe('RESPONSE_TOO_LARGE');
});

story('paths and methods that REST does not have', async () => {
  const { rest } = lab().cluster;
  expect((await rest.get('/nothing')).status).toBe(404);
  expect((await rest.request('PUT', '/jobs', '{}')).status).toBe(405);
  expect((await rest.get('/agents?limit=0')).status).toBe(400);
  expect((await rest.get('/agents?sortBy=nonsense')).status).toBe(400);
  expect((await rest.get('/agents?nextToken=nonsense')).status).toBe(400);
});

story('frames that are none do not hurt the gRPC door, a silent connection is cut on every door', async () => {
  const { cluster, good: url } = lab();
  const { ports } = cluster;
  await Promise.all(
    [ports.grpc, ports.http, ports.agent].map(async (port) => {
      const noise = connect(port, '127.0.0.1').on('error', () => {});
      noise.end(Buffer.from('\x00\xff nonsense \r\n\r\n'.repeat(100)));
      const silent = connect(port, '127.0.0.1').on('error', () => {});
      const slow = connect(port, '127.0.0.1').on('error', () => {});
      slow.write('GET /agent HT');
      await within(
        'the silent connections are cut',
        10_000,
        Promise.all([noise, silent, slow].map((s) => once(s.resume(), 'close'))),
      );
    }),
  );
  expect((await cluster.rest.runJob({ url })).status).toBe(200);
  expect((await cluster.grpc.call(runJob, { request: { url } })).response?.statusCode).toBe(200);
});

story('nothing of all this reached the origin but the jobs that were fine', async () => {
  const { cluster, origin } = lab();
  const before = origin.hits.length;
  await expectRefused({ url: 'http://user:secret@example.com/' }, 'url');
  expect(origin.hits.length).toBe(before);
  const written = cluster.orchestrator.output.join('\n');
  expect(written).not.toContain(cluster.token);
  expect(written).not.toContain('secret');
});

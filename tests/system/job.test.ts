// A job brings back what the origin said, the same through every door, byte for byte and in order.
import { createHash, randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { JobService, type RunJobResponse } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient, type Protocol, protocols } from '../harness/connect-caller.ts';
import { Origin } from '../harness/origin.ts';
import { type Echo, interleavedHeaders, pattern } from '../harness/origin-routes.ts';
import { bodyOf, resultOf } from '../harness/rest-caller.ts';
import { shared, story } from '../harness/story.ts';

interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

interface Asked {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: Buffer;
}

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster };
});

async function byGrpc(
  path: string,
  { method = 'GET', headers = [], body = Buffer.alloc(0) }: Asked = {},
): Promise<Answer> {
  const list = headers.map(([name, value]) => ({ name, value }));
  const request = { url: lab().origin.url(path), method, headers: list, body };
  return toAnswer(await lab().cluster.grpc.call(JobService.method.runJob, { request }));
}

function toAnswer({ response }: RunJobResponse): Answer {
  if (!response) throw new Error('no response');
  return {
    status: response.statusCode,
    headers: response.headers.map(({ name, value }) => [name, value] as const),
    body: Buffer.from(response.body),
  };
}

async function byRest(path: string, { method = 'GET', headers = [], body }: Asked = {}): Promise<Answer> {
  const job = { url: lab().origin.url(path), method, headers };
  const encoded = body ? { body: body.toString('base64'), bodyEncoding: 'base64' } : {};
  const result = resultOf(await lab().cluster.rest.runJob({ ...job, ...encoded }));
  return { status: result.statusCode, headers: result.headerList, body: bodyOf(result) };
}

function byConnect(protocol: Protocol) {
  return async (
    path: string,
    { method = 'GET', headers = [], body = Buffer.alloc(0) }: Asked = {},
  ): Promise<Answer> => {
    const { origin, cluster } = lab();
    const client = connectClient(JobService, { port: cluster.ports.http, token: cluster.token, protocol });
    const list = headers.map(([name, value]) => ({ name, value }));
    return toAnswer(await client.runJob({ request: { url: origin.url(path), method, headers: list, body } }));
  };
}

const doors = [byGrpc, byRest, ...protocols.map(byConnect)];

story('every door gives the same status, headers in the same order, and the same body', async () => {
  const steady = ({ headers }: Answer) => headers.filter(([name]) => name !== 'Date');
  const [first, ...others] = await Promise.all(doors.map((door) => door('/bytes/2048')));
  if (!first) throw new Error('no door');
  expect(first.status).toBe(200);
  expect(first.body.equals(pattern(2048))).toBe(true);
  for (const other of others) {
    expect(other.status).toBe(first.status);
    expect(steady(other)).toEqual(steady(first));
    expect(other.body.equals(first.body)).toBe(true);
  }
});

story('the origin cannot tell which door a job came by', async () => {
  const headers = [
    ['X-One', '1'],
    ['x-two', '2'],
    ['X-One', '3'],
  ] as const;
  const echoes = await Promise.all(
    doors.map((door) => door('/echo?q=1', { method: 'PATCH', headers, body: Buffer.from('hi') })),
  );
  const [first, ...others] = echoes.map(({ body }) => JSON.parse(body.toString()) as Echo);
  expect(others).toEqual(Array(doors.length - 1).fill(first));
  expect(first).toMatchObject({ method: 'PATCH', path: '/echo?q=1', bodyBytes: 2 });
});

story('a binary POST of 5 MiB and its echo survive byte for byte, through every door', async () => {
  const body = randomBytes(5 * 1024 * 1024);
  for (const door of doors) {
    const answer = await door('/mirror', { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
    const echo = JSON.parse((await door('/echo', { method: 'POST', body })).body.toString()) as Echo;
    expect(echo).toMatchObject({ bodyBytes: body.length, bodySha256: createHash('sha256').update(body).digest('hex') });
  }
});

story('30 headers with interleaved repeats come back in order', async () => {
  for (const door of doors) {
    const { headers } = await door('/headers');
    expect(headers.slice(0, interleavedHeaders.length)).toEqual(interleavedHeaders);
  }
});

story('30 headers with interleaved repeats arrive at the origin in order', async () => {
  const headers = Array.from({ length: 30 }, (_, i) => [`X-Name-${i % 7}`, `value ${i}`] as const);
  for (const door of doors) {
    const echo = JSON.parse((await door('/echo', { headers })).body.toString()) as Echo;
    expect(echo.headers.filter(([name]) => name.startsWith('X-Name-'))).toEqual(headers);
  }
});

story('header values keep every latin-1 byte', async () => {
  const value = 'caf\u00e9 \u00ff';
  for (const door of doors) {
    const echo = JSON.parse((await door('/echo', { headers: [['X-Latin', value]] })).body.toString()) as Echo;
    expect(echo.headers).toContainEqual(['X-Latin', value]);
  }
});

story('path and query leave byte for byte as they were written', async () => {
  const path = "/echo/a%7Eb/%7e/./c/../d//e/%2F;p=1?x=%5b1%5D&y=a+b&z='(~)*&&=";
  for (const door of doors) {
    const echo = JSON.parse((await door(path)).body.toString()) as Echo;
    expect(echo.path).toBe(path);
  }
});

story('an answer without a body, and one to HEAD, are whole', async () => {
  for (const door of doors) {
    expect(await door('/status/204')).toMatchObject({ status: 204, body: Buffer.alloc(0) });
    expect(await door('/bytes/1000', { method: 'HEAD' })).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  }
});

story("an origin's own 404 and 503 are answers, not failures", async () => {
  for (const door of doors) {
    expect((await door('/status/404')).status).toBe(404);
    expect((await door('/status/503')).status).toBe(503);
  }
});

story('REST names headers in lower case, a repeated one and Set-Cookie as lists', async () => {
  const result = resultOf(await lab().cluster.rest.runJob({ url: lab().origin.url('/headers') }));
  const values = (name: string) => interleavedHeaders.filter(([each]) => each === name).map(([, value]) => value);
  expect(result.headers).toMatchObject({
    'set-cookie': values('Set-Cookie'),
    'x-repeated': values('X-Repeated'),
    'x-single-2': 'value-2',
  });
  expect(result.isBase64Encoded).toBe(true);
});

story('the answer says which exit it took, in one attempt, and how long it took', async () => {
  const request = { url: lab().origin.url('/bytes/1') };
  const answer = await lab().cluster.grpc.call(JobService.method.runJob, { request });
  expect(answer.exit).toMatchObject({ exitId: 'home-1/default/direct', agentId: 'home-1/default' });
  expect(answer.attempts).toHaveLength(1);
  expect(answer.attempts[0]).toMatchObject({ exitId: 'home-1/default/direct', code: 0 });
  expect(answer.timings?.totalUs).toBeGreaterThan(0);
  expect(answer.response?.finalUrl).toBe(request.url);
});

story('many jobs at once keep their answers apart', async () => {
  const sizes = Array.from({ length: 100 }, (_, i) => i * 37);
  const answers = await Promise.all(sizes.map((size) => retryWhenBusy(() => byGrpc(`/bytes/${size}`))));
  expect(answers.map(({ body }) => body.length)).toEqual(sizes);
});

/** The agent takes eight at once; a caller that is told so comes back. */
async function retryWhenBusy<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!String(error).includes('UNAVAILABLE')) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { answers, silence } from '../../dispatch/fake-links.ts';
import { type Doors, type DoorsOptions, openDoors, token } from '../fixture.ts';

// Jobs that outlive the call, as curl and a browser have them.

type Json = Record<string, unknown>;

const url = 'http://example.com/x';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(queue: DoorsOptions['queue'] = { fates: [answers('hel', 'lo')] }) {
  const doors = await openDoors({ queue });
  cleanups.push(() => doors.close());
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(doors.httpUrl + path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) as Json };
  };
  return { doors, ask };
}

/** The lines of a stream of events, as fields. */
function eventsOf(text: string): Json[] {
  const blocks = text.split('\n\n').filter((block) => /^(id|event|data):/m.test(block));
  return blocks.map((block) => {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
    return { ...fields, data: JSON.parse(fields.data) as Json };
  });
}

test('a job is handed over, followed, and its answer is that of a job that was waited for', async () => {
  const { ask } = await open();
  const submitted = await ask(
    'POST',
    '/jobs',
    { url, labels: { batch: '7' }, priority: 9 },
    { 'x-request-id': 'mine' },
  );
  expect(submitted.status).toBe(202);
  expect(submitted.json()).toEqual({ message: 'Job accepted.', jobId: 'job-1', requestId: 'mine' });
  expect(submitted.headers.get('location')).toBe('/jobs/job-1');

  const events = await ask('GET', '/jobs/job-1/events');
  expect(events.headers.get('content-type')).toBe('text/event-stream');
  const states = eventsOf(events.text).map(({ id, data }) => [id, (data as Json).state]);
  expect(states).toEqual([
    ['1', 'QUEUED'],
    ['2', 'DISPATCHED'],
    ['3', 'RUNNING'],
    ['4', 'SUCCEEDED'],
  ]);

  const job = (await ask('GET', '/jobs/job-1')).json();
  expect(job).toMatchObject({ jobId: 'job-1', state: 'SUCCEEDED', method: 'GET', url, caller: 'tester', priority: 9 });
  expect(job).toMatchObject({ labels: { batch: '7' }, cursor: '4', result: { statusCode: 200, bodyBytes: 5 } });
  expect(job).toMatchObject({ attempts: [{ execution: 'DONE' }] });
  expect(Object.keys(job)).not.toContain('error');

  const { status, json } = await ask('GET', '/jobs/job-1/result', undefined, { 'x-request-id': 'r' });
  const { result, message, jobId, requestId } = json();
  expect({ status, message, jobId, requestId }).toEqual({
    status: 200,
    message: 'Job completed successfully.',
    jobId: 'job-1',
    requestId: 'r',
  });
  expect(result).toEqual({
    statusCode: 200,
    headers: { 'content-type': 'text/plain' },
    headerList: [['content-type', 'text/plain']],
    isBase64Encoded: true,
    finalUrl: 'http://origin.test/',
    body: Buffer.from('hello').toString('base64'),
  });
});

test('every field reaches the job', async () => {
  const { doors, ask } = await open({});
  const retry = { maxAttempts: 2, initialBackoffMs: 50, maxBackoffMs: 500, idempotent: true, retryOnStatus: [503] };
  const fields = { method: 'POST', priority: 1, delayMs: 1_500, queueTimeoutMs: 60_000, labels: { a: 'b' }, retry };
  const callback = { url: 'https://example.org/hook' };
  expect((await ask('POST', '/jobs', { url, ...fields, callback, idempotencyKey: 'k' })).status).toBe(202);
  const record = await doors.queue.store.get({ tenant: 'acme', jobId: 'job-1' });
  expect(record).toMatchObject({ priority: 1, labels: { a: 'b' }, idempotent: true, maxAttempts: 2 });
  expect(record?.readyAt).toBe((record?.createdAt ?? 0) + 1_500);
  expect(record?.expiresAt).toBe((record?.createdAt ?? 0) + 61_500);
  expect((await ask('GET', '/jobs/job-1')).json()).toMatchObject({
    state: 'QUEUED',
    callback: { state: 'PENDING', attempts: 0, webhookId: 'msg_job-1' },
  });
});

describe('what is wrong is named as it was written', () => {
  test.each<[string, Json]>([
    ['priority', { priority: 10 }],
    ['priority', { priority: 'high' }],
    ['delayMs', { delayMs: 31 * 24 * 3_600_000 }],
    ['queueTimeoutMs', { queueTimeoutMs: 10 }],
    ['labels', { labels: { 'a b': 'c' } }],
    ['labels.a', { labels: { a: 7 } }],
    ['retry.initialBackoffMs', { retry: { initialBackoffMs: 100_000 } }],
    ['retry.retryOnStatus', { retry: { retryOnStatus: [42] } }],
    ['retry.jitter', { retry: { jitter: 1 } }],
    ['atMostOnce', { atMostOnce: true, retry: { idempotent: true } }],
    ['callback.url', { callback: { url: 'http://example.org/' } }],
    ['callback.secret', { callback: { url: 'https://example.org/', secret: 's' } }],
    ['idempotencyKey', { idempotencyKey: 'with space' }],
  ])('%s', async (field, fields) => {
    const { ask } = await open({});
    const { status, headers, json } = await ask('POST', '/jobs', { url, ...fields });
    expect({ status, type: headers.get('content-type') }).toEqual({ status: 400, type: 'application/problem+json' });
    expect(json()).toMatchObject({ code: 'INVALID_REQUEST', field });
  });

  test('a field of a durable job is none of a job that is waited for', async () => {
    const { ask } = await open();
    for (const fields of [{ priority: 1 }, { labels: {} }, { atMostOnce: false }]) {
      const { status, json } = await ask('POST', '/jobs?sync=true', { url, ...fields });
      expect(status).toBe(400);
      expect(json()).toMatchObject({ field: Object.keys(fields)[0] });
    }
  });
});

test('what is wrong with a job that is handed over did not fail while it ran', async () => {
  const { ask } = await open({});
  const handed = (await ask('POST', '/jobs', { url, priority: 10 })).json();
  expect(handed).toMatchObject({ message: 'priority: must be 0 to 9', detail: 'priority: must be 0 to 9' });
  const awaited = (await ask('POST', '/jobs', { url, sync: true, method: 'BAD METHOD' })).json();
  expect(awaited.message).toBe(`Job failed during execution: ${String(awaited.detail)}`);
});

describe('a batch', () => {
  test('has an outcome for each job, in order, and one bad job takes no other with it', async () => {
    const { ask } = await open({});
    await ask('POST', '/jobs', { url, idempotencyKey: 'k' });
    const jobs = [{ url }, { url, priority: 10 }, 7, { url, idempotencyKey: 'k' }, { url, sync: true }, { url }];
    const { status, json } = await ask('POST', '/jobs/batch', { jobs }, { 'x-request-id': 'mine' });
    expect(status).toBe(200);
    expect(json()).toMatchObject({
      requestId: 'mine',
      jobs: [
        { status: 202, message: 'Job accepted.', jobId: 'job-2' },
        { status: 400, code: 'INVALID_REQUEST', field: 'priority', message: 'priority: must be 0 to 9' },
        { status: 400, code: 'INVALID_REQUEST', detail: 'The JSON must be an object.' },
        { status: 202, message: 'Job accepted before.', jobId: 'job-1' },
        { status: 400, field: 'sync' },
        { status: 202, jobId: 'job-5' },
      ],
    });
  });

  test.each<[string, unknown, Record<string, string>]>([
    ['jobs', {}, {}],
    ['jobs', { jobs: [] }, {}],
    ['jobs', { jobs: Array(101).fill({ url }) }, {}],
    ['priority', { jobs: [{ url }], priority: 1 }, {}],
    ['Idempotency-Key', { jobs: [{ url }] }, { 'idempotency-key': 'k' }],
  ])('is refused whole for its %s', async (field, body, headers) => {
    const { doors, ask } = await open({});
    const { status, json } = await ask('POST', '/jobs/batch', body, headers);
    expect({ status, field: json().field }).toEqual({ status: 400, field });
    expect((await doors.queue.store.list('acme', {}, 1, '')).jobs).toEqual([]);
  });
});

describe('Idempotency-Key', () => {
  test('gives the same job, whoever waits for it and however the key is written', async () => {
    const { doors, ask } = await open();
    const first = await ask('POST', '/jobs', { url }, { 'idempotency-key': 'k' });
    const second = await ask('POST', '/jobs', { url }, { 'idempotency-key': '"k"' });
    expect(first.json().jobId).toBe('job-1');
    expect(second.json()).toMatchObject({ message: 'Job accepted before.', jobId: 'job-1' });
    const waited = await ask('POST', '/jobs?sync=true', { url, idempotencyKey: 'k' });
    expect(waited.json()).toMatchObject({ jobId: 'job-1', result: { statusCode: 200 } });
    expect(doors.queue.links.sent).toHaveLength(1);
    expect(doors.runner.jobs).toEqual([]);
  });

  test('of another request is a conflict, and one that contradicts itself is refused', async () => {
    const { ask } = await open({});
    await ask('POST', '/jobs', { url }, { 'idempotency-key': 'k' });
    const other = { url: `${url}y`, sync: true };
    const conflict = await ask('POST', '/jobs', other, { 'idempotency-key': 'k' });
    expect(conflict.status).toBe(409);
    expect(conflict.json()).toMatchObject({
      code: 'IDEMPOTENCY_KEY_CONFLICT',
      retryable: false,
      field: 'idempotencyKey',
    });
    const contradiction = await ask('POST', '/jobs', { url, idempotencyKey: 'a' }, { 'idempotency-key': 'b' });
    expect(contradiction.json()).toMatchObject({ status: 400, field: 'Idempotency-Key' });
  });
});

describe('what can be asked of a job', () => {
  test('an end before its time, and the same again without effect', async () => {
    const { ask } = await open({ fates: [silence] });
    await ask('POST', '/jobs', { url });
    expect((await ask('DELETE', '/jobs/job-1')).json()).toMatchObject({ state: 'CANCELLED' });
    expect((await ask('DELETE', '/jobs/job-1')).status).toBe(200);
    const result = await ask('GET', '/jobs/job-1/result');
    expect(result.status).toBe(409);
    expect(result.json()).toMatchObject({
      code: 'JOB_STATE_CONFLICT',
      detail: 'The job ended without a result: CANCELLED.',
    });
    const again = await ask('POST', '/jobs/job-1/redrive');
    expect(again.json()).toMatchObject({ message: 'Job accepted again.', jobId: 'job-2' });
    expect((await ask('GET', '/jobs/job-2')).json()).toMatchObject({ redriveOf: 'job-1' });
  });

  test('its callback once more', async () => {
    const { doors, ask } = await open({});
    await ask('POST', '/jobs', { url, callback: { url: 'https://example.org/hook' } });
    await ask('DELETE', '/jobs/job-1');
    const [delivery] = await doors.queue.store.claimDeliveries(1, 1_000);
    if (!delivery) throw new Error('nothing to deliver');
    await doors.queue.store.recordDelivery(delivery, { kind: 'gave-up', note: 'status 410' });
    const { status, json } = await ask('POST', '/jobs/job-1/callback/redeliver');
    expect(status).toBe(202);
    expect(json()).toMatchObject({
      jobId: 'job-1',
      callback: { state: 'PENDING', attempts: 0, webhookId: 'msg_job-1' },
    });
  });

  test('a list, by state, label and time, a page at a time', async () => {
    const { ask } = await open({});
    for (const batch of ['a', 'b', 'a']) await ask('POST', '/jobs', { url, labels: { batch } });
    await ask('DELETE', '/jobs/job-3');
    const ids = async (query: string) => {
      const { jobs, nextToken } = (await ask('GET', `/jobs?${query}`)).json() as { jobs: Json[]; nextToken?: string };
      return [jobs.map(({ jobId }) => jobId), nextToken];
    };
    expect(await ids('label=batch%3Da')).toEqual([['job-3', 'job-1'], undefined]);
    expect(await ids('state=CANCELLED&state=queued&label=batch%3Da')).toEqual([['job-3', 'job-1'], undefined]);
    expect(await ids('state=cancelled')).toEqual([['job-3'], undefined]);
    expect(await ids('before=2001-01-01')).toEqual([[], undefined]);
    const [page, nextToken] = await ids('limit=2');
    expect(page).toEqual(['job-3', 'job-2']);
    expect(await ids(`limit=2&nextToken=${String(nextToken)}`)).toEqual([['job-1'], undefined]);
    for (const query of ['limit=101', 'state=DONE', 'label=batch', 'from=then', 'nextToken=x', 'color=red']) {
      const { status, json } = await ask('GET', `/jobs?${query}`);
      expect({ status, field: json().field }).toEqual({ status: 400, field: query.split('=')[0] });
    }
  });

  test('nothing of a job that is not there, or by another method', async () => {
    const { ask } = await open({});
    const calls = [
      'GET /jobs/x',
      'DELETE /jobs/x',
      'GET /jobs/x/result',
      'GET /jobs/x/events',
      'POST /jobs/x/redrive',
      'POST /jobs/x/callback/redeliver',
    ];
    for (const line of calls) {
      const [method = '', path = ''] = line.split(' ');
      const { status, json } = await ask(method, path);
      expect({ line, status, code: json().code }).toEqual({ line, status: 404, code: 'JOB_NOT_FOUND' });
    }
    const wrong = await ask('PUT', '/jobs/x');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE']);
    expect((await ask('GET', '/jobs/x/nothing')).status).toBe(404);
    expect((await ask('GET', '/jobs/x?verbose=1')).json()).toMatchObject({ status: 400, field: 'verbose' });
  });
});

describe('server-sent events', () => {
  test('resume after Last-Event-ID, and end a reader that has seen all by 204', async () => {
    const { ask } = await open();
    await ask('POST', '/jobs', { url });
    await ask('GET', '/jobs/job-1/events');
    const rest = await ask('GET', '/jobs/job-1/events', undefined, { 'last-event-id': '2' });
    expect(eventsOf(rest.text).map(({ id }) => id)).toEqual(['3', '4']);
    const all = await ask('GET', '/jobs/job-1/events', undefined, { 'last-event-id': '4' });
    expect([all.status, all.text]).toEqual([204, '']);
    const unknown = await ask('GET', '/jobs/job-1/events', undefined, { 'last-event-id': '9' });
    expect(unknown.json()).toMatchObject({ status: 400, field: 'cursor' });
  });

  test('say why they end when the pod goes away', async () => {
    const { doors, ask } = await open({});
    await ask('POST', '/jobs', { url });
    const reading = ask('GET', '/jobs/job-1/events');
    await until(() => doors.caller.load.inFlight > 0);
    doors.queue.durable.endWatches();
    const last = eventsOf((await reading).text).at(-1);
    expect(last).toMatchObject({ event: 'failure', data: { code: 'DRAINING', retryable: true } });
  });

  test('of all jobs with a label: how they stand, then each change, from Last-Event-ID on', async () => {
    const { doors, ask } = await open({});
    for (const batch of ['a', 'b', 'a']) await ask('POST', '/jobs', { url, labels: { batch } });
    const reader = await openEvents(doors, '/jobs/events?label=batch%3Da&present=true');
    await reader.until('event: synced');
    await ask('DELETE', '/jobs/job-1');
    await reader.until('CANCELLED');
    const before = eventsOf(reader.text());
    expect(before.map(({ event, data }) => [event, (data as Json).jobId, (data as Json).state])).toEqual([
      ['present', 'job-3', 'QUEUED'],
      ['present', 'job-1', 'QUEUED'],
      ['synced', undefined, undefined],
      [undefined, 'job-1', 'CANCELLED'],
    ]);
    const again = await openEvents(doors, '/jobs/events?label=batch%3Da&present=true', String(before.at(-1)?.id));
    await again.until('event: synced');
    const told = eventsOf(again.text());
    expect(told.map(({ event }) => event)).not.toContain('present');
    expect(told).toContainEqual(before.at(-1));
  });

  test.each([
    ['labels', 'present=true'],
    ['label', 'label=batch'],
    ['present', 'label=a%3Db&present=yes'],
    ['limit', 'label=a%3Db&limit=1'],
  ])('of a label are refused for %s', async (field, query) => {
    const { ask } = await open({});
    expect((await ask('GET', `/jobs/events?${query}`)).json()).toMatchObject({ status: 400, field });
  });

  test('let go of a reader that leaves', async () => {
    const { doors, ask } = await open({});
    await ask('POST', '/jobs', { url });
    const leaving = httpRequest(`${doors.httpUrl}/jobs/job-1/events`, {
      headers: { authorization: `Bearer ${token}` },
    });
    leaving.on('error', () => {}).end();
    await until(() => doors.caller.load.inFlight > 0);
    leaving.destroy();
    await until(() => doors.caller.load.inFlight === 0);
  });
});

/** A reader that stays until the end of the test. */
async function openEvents({ httpUrl }: Doors, path: string, lastEventId?: string) {
  const leaving = new AbortController();
  cleanups.push(() => leaving.abort());
  const headers = { authorization: `Bearer ${token}`, ...(lastEventId && { 'last-event-id': lastEventId }) };
  const { body } = await fetch(httpUrl + path, { headers, signal: leaving.signal });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    text: () => text,
    until: async (wanted: string) => {
      while (!text.includes(`${wanted}`)) text += (await reader?.read())?.value ?? '';
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { RedirectPolicy_Mode as Mode } from '../../../../gen/resproxy/v1/http_pb.ts';
import { RunJobRequestSchema, StreamJobRequestSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { Job } from '../../dispatch/job.ts';
import { JobFailure } from '../../failure/failures.ts';
import type { Code } from '../../failure/table.ts';
import { type JobFacts, toJob } from './job-request.ts';

/** The init object, without the message itself. */
type Init = Extract<MessageInitShape<typeof RunJobRequestSchema>, { $typeName?: never }>;

const MiB = 1024 * 1024;
const url = 'https://example.com/a?b';
const facts: JobFacts = {
  id: 'job-1',
  tenant: 'acme',
  receivedAt: 1_000,
  deadlineMs: undefined,
  traceparent: '',
  maxAttempts: 3,
};

function job(init: Init, changes: Partial<JobFacts> = {}): Job {
  return toJob(create(RunJobRequestSchema, init), { ...facts, ...changes });
}

function fault(init: Init): { code: Code; field: string | undefined } {
  try {
    job(init);
  } catch (error) {
    if (error instanceof JobFailure) return { code: error.code, field: error.field };
  }
  throw new Error('nothing was refused');
}

const withRequest = (request: Init['request']): Init => ({ request: { url, ...request } });

describe('what a request leaves out', () => {
  test('is what the API promises', () => {
    expect(job({ request: { url } })).toEqual({
      id: 'job-1',
      tenant: 'acme',
      request: {
        method: 'GET',
        url,
        headers: [],
        body: new Uint8Array(),
        maxRedirects: 10,
        decompress: false,
        maxResponseBytes: 16 * MiB,
      },
      target: { country: '', region: '', city: '', asn: 0, exitId: '', labels: new Map() },
      idempotent: true,
      receivedAt: 1_000,
      deadlineAt: 31_000,
      retry: { maxAttempts: 3, initialBackoffMs: 100, maxBackoffMs: 2_000 },
      traceparent: '',
    });
  });

  test('an answer that is streamed has no bound unless one is asked for', () => {
    const streamed = (maxResponseBytes: bigint) =>
      toJob(create(StreamJobRequestSchema, { request: { url, maxResponseBytes } }), facts).request.maxResponseBytes;
    expect(streamed(0n)).toBe(0);
    expect(streamed(5n)).toBe(5);
    expect(streamed(2n ** 64n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('what a request says', () => {
  test.each([
    ['GET', true],
    ['HEAD', true],
    ['OPTIONS', true],
    ['PUT', true],
    ['DELETE', true],
    ['POST', false],
    ['PATCH', false],
    ['get', false],
  ])('%s may be repeated: %s, unless the caller says otherwise', (method, idempotent) => {
    expect(job(withRequest({ method })).idempotent).toBe(idempotent);
    expect(job({ ...withRequest({ method }), retry: { idempotent: !idempotent } }).idempotent).toBe(!idempotent);
  });

  test('the shorter of timeout and transport deadline wins', () => {
    const timeout = { seconds: 2n, nanos: 500_000_000 };
    expect(job({ request: { url }, timeout }).deadlineAt).toBe(3_500);
    expect(job({ request: { url }, timeout }, { deadlineMs: 700 }).deadlineAt).toBe(1_700);
    expect(job({ request: { url }, timeout }, { deadlineMs: 9_000 }).deadlineAt).toBe(3_500);
    expect(job({ request: { url } }, { deadlineMs: -5 }).deadlineAt).toBe(1_000);
  });

  test('redirects', () => {
    const redirects = (policy: { mode?: Mode; maxRedirects?: number }) =>
      job(withRequest({ redirects: policy })).request.maxRedirects;
    expect(redirects({})).toBe(10);
    expect(redirects({ mode: Mode.FOLLOW, maxRedirects: 20 })).toBe(20);
    expect(redirects({ mode: Mode.NONE })).toBe(0);
  });

  test('country and region in capitals, whatever the caller wrote', () => {
    const { target } = job({
      request: { url },
      target: { country: 'de', region: 'be', city: 'São Paulo', labels: { rack: '' } },
    });
    expect(target).toMatchObject({ country: 'DE', region: 'BE', city: 'São Paulo', labels: new Map([['rack', '']]) });
  });

  test('the pod bounds attempts, whatever the caller asks', () => {
    expect(job({ request: { url }, retry: { maxAttempts: 3 } }, { maxAttempts: 2 }).retry.maxAttempts).toBe(2);
    expect(job({ request: { url }, retry: { maxAttempts: 4 } }, { maxAttempts: 5 }).retry.maxAttempts).toBe(4);
    expect(job({ request: { url } }, { maxAttempts: 1 }).retry.maxAttempts).toBe(1);
    expect(job({ request: { url }, retry: { maxAttempts: 1 } }).retry.maxAttempts).toBe(1);
  });
});

describe('faults', () => {
  const duration = (seconds: bigint, nanos = 0) => ({ seconds, nanos });
  const invalid: [string, Init, string][] = [
    ['no request', {}, 'request'],
    ['no url', { request: {} }, 'request.url'],
    ['another scheme', withRequest({ url: 'ftp://example.com/' }), 'request.url'],
    ['a method for proxies', withRequest({ method: 'CONNECT' }), 'request.method'],
    [
      'CR and LF in a header',
      withRequest({
        headers: [
          { name: 'a', value: 'b' },
          { name: 'a', value: 'b\r\nc: d' },
        ],
      }),
      'request.headers[1]',
    ],
    ['another host', withRequest({ headers: [{ name: 'Host', value: 'other' }] }), 'request.headers[0]'],
    ['too many redirects', withRequest({ redirects: { maxRedirects: 21 } }), 'request.redirects.max_redirects'],
    [
      'redirects bounded and not followed',
      withRequest({ redirects: { mode: Mode.NONE, maxRedirects: 1 } }),
      'request.redirects.max_redirects',
    ],
    [
      'an answer over the bound of one message',
      withRequest({ maxResponseBytes: BigInt(16 * MiB + 1) }),
      'request.max_response_bytes',
    ],
    ['a timeout of nothing', { ...withRequest({}), timeout: duration(0n) }, 'timeout'],
    ['a timeout below 1 ms', { ...withRequest({}), timeout: duration(0n, 999_999) }, 'timeout'],
    ['a timeout below nothing', { ...withRequest({}), timeout: duration(-1n) }, 'timeout'],
    ['a timeout over 10 min', { ...withRequest({}), timeout: duration(600n, 1_000_000) }, 'timeout'],
    ['a timeout beyond numbers', { ...withRequest({}), timeout: duration(2n ** 62n) }, 'timeout'],
    ['a timeout that pulls both ways', { ...withRequest({}), timeout: duration(1n, -1) }, 'timeout'],
    ['nanoseconds that are seconds', { ...withRequest({}), timeout: duration(1n, 1_000_000_000) }, 'timeout'],
    ['eleven attempts', { ...withRequest({}), retry: { maxAttempts: 11 } }, 'retry.max_attempts'],
    ['a long first pause', { ...withRequest({}), retry: { initialBackoff: duration(11n) } }, 'retry.initial_backoff'],
    ['a pause below nothing', { ...withRequest({}), retry: { maxBackoff: duration(-1n) } }, 'retry.max_backoff'],
    ['a country of three letters', { ...withRequest({}), target: { country: 'DEU' } }, 'target.country'],
    ['a region with its country', { ...withRequest({}), target: { region: 'DE-BE' } }, 'target.region'],
    ['a city with a control character', { ...withRequest({}), target: { city: 'a\nb' } }, 'target.city'],
    ['an exit id of two parts', { ...withRequest({}), target: { exitId: 'a/b' } }, 'target.exit_id'],
    ['a label by no name', { ...withRequest({}), target: { labels: { 'a b': 'c' } } }, 'target.labels'],
    ['a label that is a field', { ...withRequest({}), target: { labels: { country: 'DE' } } }, 'target.labels.country'],
    ['a label that is a book', { ...withRequest({}), target: { labels: { a: 'x'.repeat(129) } } }, 'target.labels.a'],
    [
      'too many labels',
      {
        ...withRequest({}),
        target: { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, ''])) },
      },
      'target.labels',
    ],
  ];

  test.each(invalid)('%s is INVALID_REQUEST', (_name, init, field) => {
    expect(fault(init)).toEqual({ code: 'INVALID_REQUEST', field });
  });

  test.each<[string, Init, string]>([
    ['a url over 8 KiB', withRequest({ url: `http://example.com/${'x'.repeat(8192)}` }), 'request.url'],
    [
      'headers over their number',
      withRequest({ headers: Array.from({ length: 257 }, () => ({ name: 'a', value: '' })) }),
      'request.headers',
    ],
    ['a body over 16 MiB', withRequest({ method: 'POST', body: new Uint8Array(16 * MiB + 1) }), 'request.body'],
  ])('%s is REQUEST_TOO_LARGE', (_name, init, field) => {
    expect(fault(init)).toEqual({ code: 'REQUEST_TOO_LARGE', field });
  });

  const unknown = [{ no: 77, wireType: 0, data: new Uint8Array([1]) }];
  test.each<[string, Init, string]>([
    ['an idempotency key', { ...withRequest({}), idempotencyKey: 'k' }, 'idempotency_key'],
    ['a mode of redirects to come', withRequest({ redirects: { mode: 9 as Mode } }), 'request.redirects.mode'],
    ['a field of the call to come', { ...withRequest({}), $unknown: unknown } as Init, '#77'],
    ['a field of the request to come', withRequest({ $unknown: unknown } as Init['request']), 'request.#77'],
    [
      'a field of a header to come',
      withRequest({ headers: [{ name: 'a', value: 'b', $unknown: unknown } as never] }),
      'request.headers[0].#77',
    ],
    ['a field of the target to come', { ...withRequest({}), target: { $unknown: unknown } as never }, 'target.#77'],
    ['a field of the policy to come', { ...withRequest({}), retry: { $unknown: unknown } as never }, 'retry.#77'],
    [
      'a field of a duration to come',
      { ...withRequest({}), timeout: { seconds: 1n, $unknown: unknown } as never },
      'timeout.#77',
    ],
  ])('%s is UNIMPLEMENTED', (_name, init, field) => {
    const message = create(RunJobRequestSchema, init);
    copyUnknown(init, message);
    let failure: unknown;
    try {
      toJob(message, facts);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: 'UNIMPLEMENTED', field });
  });

  /** `create` leaves out what only decoding brings. */
  function copyUnknown(from: unknown, to: unknown): void {
    if (typeof from !== 'object' || from === null || typeof to !== 'object' || to === null) return;
    for (const [key, value] of Object.entries(from)) {
      if (key === '$unknown') Reflect.set(to, key, value);
      else copyUnknown(value, Reflect.get(to, key));
    }
  }

  test('no fault repeats what the caller sent', () => {
    const secret = 'hunter2';
    for (const init of [
      withRequest({ url: `http://user:${secret}@example.com/` }),
      withRequest({ headers: [{ name: 'a', value: `${secret}\n` }] }),
      { ...withRequest({}), target: { city: `${secret}\n` } },
    ]) {
      expect(() => job(init)).toThrow(JobFailure);
      expect(() => job(init)).not.toThrow(secret);
    }
  });
});

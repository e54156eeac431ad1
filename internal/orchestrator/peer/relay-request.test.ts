import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { type Open, OpenSchema, RelaySchema } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { readRelayRequest } from './relay-request.ts';

function streamOf(given: Partial<Open> = {}, pieces: Uint8Array[] = []): AcceptedStream {
  const open = create(OpenSchema, {
    exit: 'key/a/direct',
    kind: { case: 'http', value: { method: 'GET', url: 'http://origin.test/', headers: [{ name: 'a', value: 'b' }] } },
    deadlineMs: 1_000,
    jobId: 'job-1',
    attempt: 1,
    relay: { tenant: 'acme', target: { city: 'Berlin', labels: { isp: 'x' } }, triedExitIds: ['key/b/direct'] },
    end: true,
  });
  return { open: { ...open, ...given }, read: async () => pieces.shift() } as unknown as AcceptedStream;
}

function refusalOf(given: Partial<Open>): string {
  try {
    readRelayRequest(streamOf(given));
    return 'taken';
  } catch (error) {
    if (error instanceof AttemptFailure) return `${error.code} ${error.execution}`;
    throw error;
  }
}

test('reads what was asked of the exit, and hands the headers on as they came', () => {
  const stream = streamOf();
  const read = readRelayRequest(stream);
  expect(read).toMatchObject({
    exitId: 'key/a/direct',
    tenant: 'acme',
    tried: ['key/b/direct'],
    target: { city: 'Berlin', exitId: '', labels: new Map([['isp', 'x']]) },
    request: { method: 'GET', url: 'http://origin.test/', maxResponseBytes: 0 },
  });
  expect(read.request.headers).toBe(stream.open.kind.value?.headers);
  expect(read.rest).toBeUndefined();
});

describe('a body that is still arriving', () => {
  const body = new Uint8Array(3);

  test('is given piece by piece to its end', async () => {
    const { request, rest } = readRelayRequest(
      streamOf({ body, end: false, bodyBytes: 8 }, [new Uint8Array(4), new Uint8Array(1)]),
    );
    expect([request.body, rest?.totalBytes]).toEqual([body, 8]);
    expect((await rest?.read())?.length).toBe(4);
    expect((await rest?.read())?.length).toBe(1);
    expect(await rest?.read()).toBeUndefined();
  });

  test.each([
    ['ends too early', [new Uint8Array(4)], 2],
    ['goes on for too long', [new Uint8Array(4), new Uint8Array(2)], 2],
  ])('fails when it %s', async (_, pieces, atRead) => {
    const { rest } = readRelayRequest(streamOf({ body, end: false, bodyBytes: 8 }, pieces));
    for (let i = 1; i < atRead; i++) await rest?.read();
    await expect(rest?.read()).rejects.toThrow('not as long');
  });

  test.each([
    ['nobody says how long it is', {}, 'UNIMPLEMENTED NOT_STARTED'],
    ['it is shorter than its beginning', { bodyBytes: 2 }, 'INVALID_REQUEST NOT_STARTED'],
    ['nothing would follow', { bodyBytes: 3 }, 'INVALID_REQUEST NOT_STARTED'],
    ['its beginning is too long', { body: new Uint8Array(16_385), bodyBytes: 20_000 }, 'REQUEST_TOO_LARGE NOT_STARTED'],
  ])('is refused when %s', (_, given, refusal) => {
    expect(refusalOf({ body, end: false, ...given })).toBe(refusal);
  });
});

test('a relay without a target is refused: to ask nothing must be said', () => {
  expect(refusalOf({ relay: create(RelaySchema, { tenant: 'acme' }) })).toBe('INVALID_REQUEST NOT_STARTED');
});

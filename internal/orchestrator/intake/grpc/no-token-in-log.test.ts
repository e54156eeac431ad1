// grpc-js wrote every header that it could not read to the log, a caller's token among them. Found by tests/fuzz, seed 1.
import { once } from 'node:events';
import { connect } from 'node:http2';
import { afterEach, expect, jest, test } from '@jest/globals';
import { openDoors } from '../fixture.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('a token that is no header value is written nowhere', async () => {
  const written = jest.spyOn(console, 'error').mockImplementation(() => {});
  cleanups.push(() => written.mockRestore());
  const doors = await openDoors();
  cleanups.push(() => doors.close());
  const session = connect(`http://127.0.0.1:${doors.grpcPort}`);
  cleanups.push(() => session.destroy());
  const path = '/resproxy.v1.JobService/RunJob';
  const authorization = 'Bearer secret-\u00e4';
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    authorization,
  });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  expect(headers['grpc-status']).toBe('16');
  expect(written).not.toHaveBeenCalled();
});

import { expect, test } from '@jest/globals';
import { AttemptFailure, invalidRequest, JobFailure } from './failures.ts';

test('a job failure says what its code says', () => {
  const failure = new JobFailure('AGENT_LOST', { jobId: 'j1' });
  expect(failure).toMatchObject({
    code: 'AGENT_LOST',
    message: 'The agent went away after the job was sent to it.',
    origin: 'EXIT',
    execution: 'POSSIBLE',
    retryable: true,
    retryAfterMs: 1_000,
    jobId: 'j1',
    attempts: [],
  });
});

test('a job failure believes its attempts rather than its code about what was executed', () => {
  expect(new JobFailure('CONNECT_REFUSED').execution).toBe('NOT_STARTED');
  expect(new JobFailure('CONNECT_REFUSED', { execution: 'POSSIBLE' }).execution).toBe('POSSIBLE');
  expect(new JobFailure('DEADLINE_EXCEEDED').execution).toBe('NOT_STARTED');
  expect(new JobFailure('DEADLINE_EXCEEDED', { execution: 'POSSIBLE' }).execution).toBe('POSSIBLE');
});

test('a failure that repeating cannot mend is not retryable', () => {
  expect(new JobFailure('OUTCOME_UNKNOWN').retryable).toBe(false);
  expect(new JobFailure('INVALID_REQUEST').retryAfterMs).toBeUndefined();
});

test('a pause that is known better than by the table wins', () => {
  expect(new JobFailure('RATE_LIMITED', { retryAfterMs: 42 }).retryAfterMs).toBe(42);
});

test('an invalid request names its field', () => {
  const failure = invalidRequest('request.url', 'must be http or https');
  expect(failure).toMatchObject({ code: 'INVALID_REQUEST', field: 'request.url' });
  expect(failure.message).toBe('request.url: must be http or https');
});

test('an attempt failure keeps the foreign error for the log, and out of its message', () => {
  const cause = new Error('ECONNREFUSED 10.0.0.1');
  const failure = new AttemptFailure('CONNECT_REFUSED', 'NOT_STARTED', { cause });
  expect(failure.cause).toBe(cause);
  expect(failure.message).toBe('CONNECT_REFUSED');
});

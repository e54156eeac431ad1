import { describe, expect, test } from '@jest/globals';
import { AttemptFailure } from '../failure/failures.ts';
import { type Code, type Execution, failureTable } from '../failure/table.ts';
import { blamesExit, mayRepeat, toAttemptFailure } from './outcome.ts';

const codes = Object.keys(failureTable) as Code[];
const executions: Execution[] = ['NOT_STARTED', 'POSSIBLE', 'DONE'];

describe('a job that is not idempotent', () => {
  test('is never repeated after anything of it may have left, whatever the code', () => {
    for (const code of codes) {
      for (const execution of ['POSSIBLE', 'DONE'] as const) {
        expect([code, mayRepeat(new AttemptFailure(code, execution), false)]).toEqual([code, false]);
      }
    }
  });
});

test('nothing is repeated that the table does not repeat', () => {
  for (const code of codes.filter((name) => failureTable[name].retriedInside === 'no')) {
    for (const execution of executions) {
      expect([code, mayRepeat(new AttemptFailure(code, execution), true)]).toEqual([code, false]);
    }
  }
});

test.each([
  ['AGENT_LOST', 'POSSIBLE', true, true],
  ['AGENT_LOST', 'POSSIBLE', false, false],
  ['CONNECT_REFUSED', 'NOT_STARTED', false, true],
  ['CONNECT_REFUSED', 'POSSIBLE', true, true],
  ['RESPONSE_INCOMPLETE', 'DONE', true, true],
  ['INTERNAL', 'NOT_STARTED', false, true],
  ['INTERNAL', 'POSSIBLE', true, false],
  ['REDIRECT_LIMIT', 'NOT_STARTED', true, false],
] as const)('%s, %s, idempotent %s: may be repeated %s', (code, execution, idempotent, repeated) => {
  expect(mayRepeat(new AttemptFailure(code, execution), idempotent)).toBe(repeated);
});

test('an exit is to blame for what happens on it, and not for its load or its policy', () => {
  expect(codes.filter(blamesExit)).toEqual(
    expect.arrayContaining(['AGENT_LOST', 'AGENT_DISCONNECTED', 'DNS_FAILURE', 'UNROUTABLE']),
  );
  for (const code of ['EXIT_BUSY', 'EXIT_REFUSED', 'CONNECT_REFUSED', 'DEADLINE_EXCEEDED', 'CANCELLED'] as const) {
    expect([code, blamesExit(code)]).toEqual([code, false]);
  }
});

test('a foreign error is INTERNAL, with what was known when it came', () => {
  const cause = new Error('foreign');
  expect(toAttemptFailure(cause, 'POSSIBLE')).toMatchObject({ code: 'INTERNAL', execution: 'POSSIBLE', cause });
  const ours = new AttemptFailure('AGENT_LOST', 'POSSIBLE');
  expect(toAttemptFailure(ours, 'DONE')).toBe(ours);
});

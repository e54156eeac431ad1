import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AttemptFailure } from '../failure/failures.ts';
import { type Code, type Execution, failureTable } from '../failure/table.ts';
import { outcomeOf } from './attempt-outcome.ts';

type Row = readonly [Code, Execution, 'idempotent' | 'once', ReturnType<typeof outcomeOf>['next']];

// biome-ignore format: a table reads by its columns
const rows: readonly Row[] = [
  ['EXIT_BUSY',              'NOT_STARTED', 'once',       'release'],
  ['AGENT_DISCONNECTED',     'NOT_STARTED', 'once',       'release'],
  ['DRAINING',               'NOT_STARTED', 'once',       'release'],
  ['DRAINING',               'POSSIBLE',    'once',       'unknown'],
  ['DRAINING',               'POSSIBLE',    'idempotent', 'retry'],
  ['CONNECT_REFUSED',        'NOT_STARTED', 'once',       'retry'],
  ['EXIT_REFUSED',           'NOT_STARTED', 'once',       'retry'],
  ['AGENT_LOST',             'POSSIBLE',    'once',       'unknown'],
  ['AGENT_LOST',             'POSSIBLE',    'idempotent', 'retry'],
  ['RESPONSE_INCOMPLETE',    'DONE',        'once',       'unknown'],
  ['RESPONSE_INCOMPLETE',    'DONE',        'idempotent', 'retry'],
  ['DEADLINE_EXCEEDED',      'NOT_STARTED', 'once',       'retry'],
  ['DEADLINE_EXCEEDED',      'POSSIBLE',    'once',       'unknown'],
  ['DEADLINE_EXCEEDED',      'POSSIBLE',    'idempotent', 'retry'],
  ['DNS_NXDOMAIN',           'NOT_STARTED', 'idempotent', 'fail'],
  ['RESPONSE_TOO_LARGE',     'DONE',        'once',       'fail'],
  ['STORE_FULL',             'DONE',        'once',       'unknown'],
  ['STORE_FULL',             'DONE',        'idempotent', 'fail'],
  ['RETRY_ON_STATUS',        'DONE',        'idempotent', 'retry'],
  ['INTERNAL',               'POSSIBLE',    'once',       'unknown'],
];

describe('the end of an attempt', () => {
  test.each(rows)('%s, %s, of a job that is %s: %s', (code, execution, kind, next) => {
    const outcome = outcomeOf(new AttemptFailure(code, execution), execution, kind === 'idempotent');
    expect(outcome.next).toBe(next);
    expect(outcome.known).toMatchObject({ code, execution });
  });

  test('an error that nobody foresaw is a fault of ours, as far as the attempt had come', () => {
    const { known, next } = outcomeOf(new TypeError('a defect'), 'POSSIBLE', false);
    expect(known).toEqual({ code: 'INTERNAL', execution: 'POSSIBLE', detail: failureTable.INTERNAL.title });
    expect(next).toBe('unknown');
  });

  test('whatever it was, what may have left and must not repeat is neither sent again nor said to have failed', () => {
    const codes = Object.keys(failureTable) as Code[];
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.constantFrom<Execution>('POSSIBLE', 'DONE'), (code, execution) => {
        const { next } = outcomeOf(new AttemptFailure(code, execution), execution, false);
        expect(next).toBe(failureTable[code].execution === 'DONE' ? 'fail' : 'unknown');
      }),
    );
  });
});

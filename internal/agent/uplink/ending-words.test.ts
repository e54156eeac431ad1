// What an agent's owner reads when a connection ends.
import { describe, expect, test } from '@jest/globals';
import { closeCode } from '../../wire/names.ts';
import type { Ending } from './ending.ts';
import { endingWords } from './ending-words.ts';
import { needsOwner } from './reconnect.ts';

const refused = { kind: 'refused', error: '', retryable: false, retryAfterMs: 0 } as const;
const endings: Ending[] = [
  ...[401, 403, 426, 404].map((status) => ({ ...refused, status })),
  { kind: 'unreachable', why: 'nothing listens at its address' },
  { kind: 'unwelcome', why: 'no WELCOME within 5 s', tooOld: false },
  { kind: 'unwelcome', why: '', tooOld: true },
  ...[...Object.values(closeCode), 1000, 1006, 1011].map((code) => ({ kind: 'closed' as const, code, reason: '' })),
  { kind: 'abandoned' },
];

describe('endingWords', () => {
  test.each(endings)('are whole sentences: %j', (ending) => {
    expect(endingWords(ending).words).toMatch(/^[A-Z].*\.$/);
  });

  test.each(endings.filter((ending) => needsOwner(ending) && !('status' in ending && ending.status === 404)))(
    'are an error where somebody has to act: %j',
    (ending) => {
      expect(endingWords(ending).level).toBe('error');
    },
  );

  test('hold what the orchestrator said', () => {
    expect(endingWords({ ...refused, status: 401, error: 'the key is not valid' }).words).toContain(
      'It says: the key is not valid.',
    );
  });
});

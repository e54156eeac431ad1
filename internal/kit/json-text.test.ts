import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { parseJsonText } from './json-text.ts';

const schema = z.strictObject({ keys: z.array(z.strictObject({ id: z.string('must be a string') })) });

describe('a JSON file of settings', () => {
  test('is what its schema makes of it', () => {
    expect(parseJsonText('{"keys": [{"id": "a"}]}', 'f.json', schema)).toEqual({ keys: [{ id: 'a' }] });
  });

  test('tells every fault by its place', () => {
    const read = () => parseJsonText('{"keys": [{"id": 1}, {"id": "b", "more": 2}], "other": 3}', 'f.json', schema);
    expect(read).toThrow(
      /f\.json: keys\[0\]\.id: must be a string\nf\.json: keys\[1\]: .*more.*\nf\.json: the file: .*other/,
    );
  });

  test('is never quoted when it is not JSON', () => {
    expect(() => parseJsonText('{"digest": secret}', 'f.json', schema)).toThrow(/^f\.json: is not JSON$/);
  });
});

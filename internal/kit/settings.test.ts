import { describe, expect, test } from '@jest/globals';
import { describeSettings, integer, list, oneOf, optionalText, readSettings, SettingsError, text } from './settings.ts';

const table = {
  PORT: integer('Port of the door.', { fallback: 80, min: 1, max: 65_535 }),
  NAME: text('Name of the thing.', { fallback: 'default', pattern: /^[a-z]+$/, what: 'lower-case letters' }),
  MODE: oneOf('How it works.', ['fast', 'slow'], 'fast'),
  ITEMS: list('What it holds.', parseEven, '2,4'),
  SECRET: optionalText('Something nobody may read.'),
};

function parseEven(item: string): number {
  if (Number(item) % 2 !== 0) throw new Error('must be even');
  return Number(item);
}

describe('settings', () => {
  test('that are unset or empty take defaults that are valid', () => {
    const defaults = { PORT: 80, NAME: 'default', MODE: 'fast', ITEMS: [2, 4], SECRET: undefined };
    expect(readSettings(table, {})).toEqual(defaults);
    expect(readSettings(table, { PORT: '', NAME: '', MODE: '', ITEMS: '', SECRET: '' })).toEqual(defaults);
  });

  test('are read as their types and frozen', () => {
    const values = readSettings(table, { PORT: '8080', ITEMS: ' 6, 8 ,', MODE: 'slow' });
    expect(values).toMatchObject({ PORT: 8080, ITEMS: [6, 8], MODE: 'slow' });
    expect(Object.isFrozen(values)).toBe(true);
  });

  test('report every fault together, each naming its variable and what would be right', () => {
    const read = () => readSettings(table, { PORT: '70000', NAME: 'X', MODE: 'odd', ITEMS: '2,3' });
    expect(read).toThrow(SettingsError);
    try {
      read();
    } catch (error) {
      expect((error as SettingsError).faults).toEqual([
        'PORT: must be a whole number from 1 to 65535',
        'NAME: must be lower-case letters',
        'MODE: must be one of fast, slow',
        'ITEMS: 3: must be even',
      ]);
    }
  });

  test('explain themselves with their defaults', () => {
    const help = describeSettings(table);
    expect(help).toContain('PORT (default: 80)');
    expect(help).toContain('Port of the door.');
    expect(help).toContain('SECRET (default: none)');
  });
});

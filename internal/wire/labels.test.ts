import { describe, expect, test } from '@jest/globals';
import { findLabelFault } from './labels.ts';

describe('labels', () => {
  test.each([
    { country: 'DE', region: 'BE', city: 'Köln', asn: '3320', 'rack.1': '' },
    { region: '11' },
    { asn: '4294967295' },
  ])('may be %p', (labels) => {
    expect(findLabelFault(labels)).toBeUndefined();
  });

  test.each([
    ['country', { country: 'de' }],
    ['region', { region: 'Bavaria' }],
    ['city', { city: '' }],
    ['city', { city: 'a\nb' }],
    ['asn', { asn: '4294967296' }],
    ['asn', { asn: 'AS3320' }],
    ['a b', { 'a b': 'x' }],
    ['tier', { tier: 'x'.repeat(129) }],
    ['tier', { tier: '\u0000' }],
    ['', Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, '']))],
  ])('names the fault of %p in %p', (label, labels) => {
    expect(findLabelFault(labels)?.label).toBe(label);
  });

  test('does not mistake a name of every object for a reserved one', () => {
    expect(findLabelFault({ constructor: 'x', toString: 'y' })).toBeUndefined();
  });
});

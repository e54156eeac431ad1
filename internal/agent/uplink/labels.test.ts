// What an owner may write into AGENT_LABELS.
import { describe, expect, test } from '@jest/globals';
import { parseLabel } from './labels.ts';

describe('parseLabel', () => {
  test.each([
    ['country=DE', ['country', 'DE']],
    ['region=BE', ['region', 'BE']],
    ['asn=4294967295', ['asn', '4294967295']],
    [' city = München ', ['city', 'München']],
    ['line=a=b', ['line', 'a=b']],
    ['constructor=x', ['constructor', 'x']],
  ])('reads %j', (item, label) => {
    expect(parseLabel(item)).toEqual(label);
  });

  test.each([
    ['country', 'NAME=VALUE'],
    ['=DE', 'is no label name'],
    ['a b=c', 'is no label name'],
    ['line=', 'must have a value'],
    ['line=a\tb', 'control character'],
    [`line=${'x'.repeat(129)}`, 'at most 128 characters'],
    ['country=de', 'two capital letters'],
    ['country=DEU', 'two capital letters'],
    ['region=Berlin', 'capital letters or digits'],
    ['asn=AS3320', 'a number'],
    ['asn=4294967296', 'a number'],
  ])('refuses %j', (item, fault) => {
    expect(() => parseLabel(item)).toThrow(fault);
  });
});

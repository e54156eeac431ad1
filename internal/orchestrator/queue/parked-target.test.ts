import { expect, test } from '@jest/globals';
import { anyTarget } from '../route/candidate.ts';
import { parkedName, readParkedName } from './parked-target.ts';

const target = {
  ...anyTarget,
  country: 'DE',
  asn: 3320,
  labels: new Map([
    ['b', '2'],
    ['a', '1'],
  ]),
};

test('a name says what is waited for', () => {
  expect(readParkedName(parkedName({ tenant: 'acme', target }))).toEqual({ tenant: 'acme', target });
});

test('the order in which labels were given makes no other name', () => {
  const other = {
    ...target,
    labels: new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
  };
  expect(parkedName({ tenant: 'acme', target: other })).toBe(parkedName({ tenant: 'acme', target }));
});

test('another tenant waits under another name, since it may use other exits', () => {
  expect(parkedName({ tenant: 'beta', target })).not.toBe(parkedName({ tenant: 'acme', target }));
});

test.each(['', 'DE', '[]', '["acme",1]'])('what is no name of this version is unknown: %s', (name) => {
  expect(readParkedName(name)).toBeUndefined();
});

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { offersOf, readHeld, toRecord } from './fleet-record.ts';
import { connection, exitOffer } from './registry-suite.ts';

const held = (json: string, head = '7 1700000000000001 1700000000000 key/default') => readHeld(`${head} ${json}`);
const exit = { name: 'direct', kind: 'direct', state: 'available', capacity: 2, labels: {} };
const record = { instance: 'i', seq: '1', version: '1', platform: 'p', protocol: '1', exits: [exit] };

test('what one pod writes, another reads', () => {
  const exits = [
    exitOffer({ country: 'DE', region: 'BE', city: 'Berlin', asn: 3320, labels: new Map([['line', 'dsl']]) }),
    exitOffer({ name: 'lte', kind: 'proxy', state: 'cooling', tenants: new Set(['acme']) }),
  ];
  const written = toRecord(
    connection({ exits, draining: true, tenants: new Set(['acme']), connectSeq: 2n ** 64n - 1n }),
  );
  const read = held(written);
  expect(read).toMatchObject({ change: 7, epoch: 1700000000000001, welcomedAt: 1700000000000, agentId: 'key/default' });
  expect(read?.record).toMatchObject({ instance: 'instance-1', seq: '18446744073709551615', draining: true });
  const offers = read ? offersOf(read.agentId, read.record, new Set(read.record.tenants)) : [];
  expect(offers[0]).toMatchObject({
    exitId: 'key/default/direct',
    country: 'DE',
    region: 'BE',
    city: 'Berlin',
    asn: 3320,
    labels: new Map([['line', 'dsl']]),
    tenants: new Set(['acme']),
  });
  expect(offers[1]).toMatchObject({ exitId: 'key/default/lte', kind: 'proxy', state: 'cooling', country: '', asn: 0 });
});

// A connection of an agent is an object of a class, with getters for what changes. What was left over by taking it apart
// had none of them, and a pod on a real Redis could publish no agent, while every test with plain objects was green.
test('a connection is read through its getters', () => {
  const plain = connection();
  const live = Object.create(
    Object.defineProperties(
      {},
      Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, { get: () => value, enumerable: true }])),
    ),
  ) as typeof plain;
  expect(toRecord(live)).toBe(toRecord(plain));
});

describe('of a later version', () => {
  test('a field that is not known is left out', () => {
    expect(held(JSON.stringify({ ...record, colour: 'red' }))?.record).not.toHaveProperty('colour');
  });

  test('a kind of exit that is not known is no exit, and a state that is not known is paused', () => {
    const exits = [
      { ...exit, kind: 'tunnel' },
      { ...exit, name: 'other', state: 'dreaming' },
    ];
    const read = held(JSON.stringify({ ...record, exits }));
    expect(read && offersOf(read.agentId, read.record, new Set()).map(({ name, state }) => [name, state])).toEqual([
      ['other', 'paused'],
    ]);
  });
});

test.each([
  ['no record', ''],
  ['no JSON', '{'],
  ['no object', '[]'],
  ['a label that no key could have', JSON.stringify({ ...record, exits: [{ ...exit, labels: { 'a b': '' } }] })],
  ['a country that is none', JSON.stringify({ ...record, exits: [{ ...exit, labels: { country: 'Germany' } }] })],
  ['no capacity', JSON.stringify({ ...record, exits: [{ ...exit, capacity: 0 }] })],
  ['a name with a slash', JSON.stringify({ ...record, exits: [{ ...exit, name: 'a/b' }] })],
  ['too many exits', JSON.stringify({ ...record, exits: Array(257).fill(exit) })],
  ['a huge text', `{"a":"${'x'.repeat(2 ** 21)}"}`],
])('%s is not read', (_what, json) => {
  expect(held(json)).toBeUndefined();
});

test('an agent id that no pod gives is not read', () => {
  expect(held(JSON.stringify(record), '1 1 1 key/A')).toBeUndefined();
  expect(held(JSON.stringify(record), '1 1 1 key')).toBeUndefined();
});

test('whatever stands there, reading does not throw', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (json) => void held(json)));
});

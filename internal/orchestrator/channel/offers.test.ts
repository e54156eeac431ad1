import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { ExitKind, ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { ExitListSchema, type ExitOffer as WireOffer } from '../../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { policySchema } from '../keys/policy.ts';
import type { ExitOffer } from '../registry/live-exit.ts';
import { directOffer } from './fake-agent.ts';
import { readClaims, toOffer } from './offers.ts';

function policyOf(extra: object = {}) {
  return policySchema.parse({ id: 'k', name: 'berlin', digest: `sha256:${'a'.repeat(64)}`, ...extra });
}

function read(offers: Partial<WireOffer>[], policy: object = {}): ExitOffer[] {
  const list = create(ExitListSchema, { exits: offers.map((offer) => ({ ...directOffer, ...offer })) });
  return readClaims(list).map((claim) => toOffer(claim, 'berlin/default', policyOf(policy)));
}

describe('offered exits', () => {
  test('get their ids from the pod, and reserved labels fill their fields', () => {
    const labels = { country: 'DE', region: 'BE', city: 'Berlin', asn: '3320', rack: '7' };
    expect(read([{ labels }], { tenants: ['acme'] })).toEqual([
      {
        exitId: 'berlin/default/direct',
        agentId: 'berlin/default',
        name: 'direct',
        kind: 'direct',
        state: 'available',
        capacity: 4,
        country: 'DE',
        region: 'BE',
        city: 'Berlin',
        asn: 3320,
        labels: new Map([['rack', '7']]),
        tenants: new Set(['acme']),
      },
    ]);
  });

  test("carry the key's labels where the agent claims others", () => {
    const [exit] = read([{ labels: { country: 'US', tier: 'gold', rack: '7' } }], {
      labels: { country: 'DE', tier: 'home' },
    });
    expect(exit).toMatchObject({
      country: 'DE',
      labels: new Map([
        ['tier', 'home'],
        ['rack', '7'],
      ]),
    });
  });

  test('run no more jobs than the key and the channel allow', () => {
    const capacities = (capacity: number, policy: object) => read([{ capacity }], policy).map((exit) => exit.capacity);
    expect(capacities(8, { limits: { maxConcurrent: 3 } })).toEqual([3]);
    expect(capacities(2, { limits: { maxConcurrent: 3 } })).toEqual([2]);
    expect(capacities(2 ** 32 - 1, {})).toEqual([1024]);
  });

  test('in a state of a later version count as paused, of a later kind are left out', () => {
    const later = read([
      { name: 'a', state: 99 as ExitState },
      { name: 'b', kind: 99 as ExitKind },
    ]);
    expect(later.map(({ name, state }) => [name, state])).toEqual([['a', 'paused']]);
  });

  test('know every kind and state of this version', () => {
    const all = [ExitState.AVAILABLE, ExitState.PAUSED, ExitState.COOLING, ExitState.QUOTA];
    const exits = read(all.map((state) => ({ name: `s${state}`, state, kind: ExitKind.PROXY })));
    expect(exits.map((exit) => exit.state)).toEqual(['available', 'paused', 'cooling', 'quota']);
    expect(exits.every((exit) => exit.kind === 'proxy')).toBe(true);
  });

  test.each<[string, Partial<WireOffer>[]]>([
    ['the same name', [{}, {}]],
    ['a bad name', [{ name: 'Direct' }]],
    ['no capacity', [{ capacity: 0 }]],
    ['a bad label', [{ labels: { country: 'Germany' } }]],
    ['a long label name', [{ labels: { ['é'.repeat(200)]: '' } }]],
    ['too many exits', Array.from({ length: 257 }, (_, i) => ({ name: `e${i}` }))],
  ])('with %s close the connection, with a reason that fits a close frame', (_what, offers) => {
    let thrown: unknown;
    try {
      read(offers);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProtocolError);
    expect(Buffer.byteLength((thrown as ProtocolError).message)).toBeLessThanOrEqual(123);
  });
});

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { anyTarget, type CandidateSet } from '../route/candidate.ts';
import { FleetView } from './fleet-view.ts';
import type { LiveExit } from './live-exit.ts';
import { exitOffer } from './registry-suite.ts';

function members(set: CandidateSet<LiveExit>): string[] {
  return Array.from({ length: set.size }, (_, index) => set.at(index).exitId).sort();
}

test('finds exits by each thing that a target can ask', () => {
  const view = new FleetView();
  const berlin = exitOffer({
    name: 'berlin',
    country: 'DE',
    region: 'BE',
    city: 'Berlin',
    asn: 3320,
    labels: new Map([['tier', 'gold']]),
  });
  view.add(berlin);
  view.add(exitOffer({ name: 'paris', country: 'FR' }));
  const target = { ...anyTarget, country: 'DE', region: 'BE', city: 'Berlin', asn: 3320 };
  const asked = view.asked({ ...target, labels: new Map([['tier', 'gold']]) });
  expect(asked.map(({ name }) => name)).toEqual([
    'country=DE',
    'region=BE',
    'city=Berlin',
    'asn=3320',
    'label tier=gold',
  ]);
  for (const wish of asked) {
    expect(members(wish.set)).toEqual([berlin.exitId]);
    expect(wish.matches(berlin)).toBe(true);
  }
});

test('names a wish that no exit meets, with an empty set', () => {
  const view = new FleetView();
  view.add(exitOffer());
  const [wish] = view.asked({ ...anyTarget, country: 'DE' });
  expect(wish?.name).toBe('country=DE');
  expect(wish?.set.size).toBe(0);
});

test('puts an exit with the same id in the place of the one before', () => {
  const view = new FleetView();
  const before = exitOffer({ country: 'DE' });
  const after = exitOffer({ country: 'FR' });
  view.add(before);
  view.add(after);
  view.remove(before);
  expect(view.byId(after.exitId)).toBe(after);
  expect(view.all.size).toBe(1);
  expect(view.asked({ ...anyTarget, country: 'DE' })[0]?.set.size).toBe(0);
});

test('refuses to say what stands beyond the end of a set', () => {
  expect(() => new FleetView().all.at(0)).toThrow(RangeError);
});

const exits = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  country: fc.constantFrom('', 'DE', 'FR'),
  asn: fc.constantFrom(0, 1, 2),
  labels: fc.constantFrom(new Map(), new Map([['tier', 'gold']]), new Map([['tier', 'base']])),
  tenants: fc.constantFrom(new Set<string>(), new Set(['acme']), new Set(['acme', 'other'])),
});
const steps = fc.array(fc.record({ exit: exits, remove: fc.boolean() }), { maxLength: 60 });

test('holds in each set exactly the exits that match it, after any adding and removing', () => {
  fc.assert(
    fc.property(steps, (plan) => {
      const view = new FleetView();
      const model = new Map<string, LiveExit>();
      for (const { exit: offer, remove } of plan) {
        const exit = exitOffer(offer);
        const known = model.get(exit.exitId);
        if (remove && known) {
          view.remove(known);
          model.delete(exit.exitId);
        } else {
          view.add(exit);
          model.set(exit.exitId, exit);
        }
      }
      const expected = (matches: (exit: LiveExit) => boolean) =>
        [...model.values()]
          .filter(matches)
          .map(({ exitId }) => exitId)
          .sort();
      expect(members(view.all)).toEqual(expected(() => true));
      for (const tenant of ['acme', 'other', 'stranger']) {
        const usable = view.usable(tenant);
        expect(members(usable.set)).toEqual(expected(({ tenants }) => tenants.size === 0 || tenants.has(tenant)));
        expect(members(usable.set)).toEqual(expected((exit) => usable.matches(exit)));
      }
      for (const country of ['DE', 'FR']) {
        const target = { ...anyTarget, country, asn: 1, labels: new Map([['tier', 'gold']]) };
        const [byCountry, byAsn, byTier] = view.asked(target);
        expect(byCountry && members(byCountry.set)).toEqual(expected((exit) => exit.country === country));
        expect(byAsn && members(byAsn.set)).toEqual(expected((exit) => exit.asn === 1));
        expect(byTier && members(byTier.set)).toEqual(expected((exit) => exit.labels.get('tier') === 'gold'));
      }
    }),
  );
});

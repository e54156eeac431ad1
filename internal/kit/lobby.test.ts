import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Lobby } from './lobby.ts';

test('the newest takes the place of who has waited longest', () => {
  const lobby = new Lobby<string>({ inAll: 2, perGroup: 2 });
  for (const id of ['a', 'b']) expect(lobby.enter(id, id, undefined)).toBeUndefined();
  expect(lobby.enter('c', 'c', 'g')).toEqual({ guest: 'a', because: 'all' });
  expect([...lobby.guests()]).toEqual(['b', 'c']);
});

test('a group that is full makes room among its own', () => {
  const lobby = new Lobby<string>({ inAll: 10, perGroup: 1 });
  lobby.enter('a', 'a', 'quiet');
  lobby.enter('b', 'b', 'loud');
  expect(lobby.enter('c', 'c', 'loud')).toEqual({ guest: 'b', because: 'group' });
  expect([...lobby.guests()]).toEqual(['a', 'c']);
});

test('who has left makes room, and is not displaced', () => {
  const lobby = new Lobby<string>({ inAll: 1, perGroup: 1 });
  lobby.enter('a', 'a', 'g');
  expect(lobby.leave('a')).toBe('a');
  expect(lobby.leave('a')).toBeUndefined();
  expect(lobby.enter('b', 'b', 'g')).toBeUndefined();
});

test('whoever comes and goes, the bounds hold, and no newcomer is turned away', () => {
  const id = fc.integer({ min: 0, max: 30 }).map(String);
  const step = fc.record({ id, group: fc.option(fc.constantFrom('g', 'h'), { nil: undefined }), leaves: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const lobby = new Lobby<{ readonly group: string | undefined }>({ inAll: 8, perGroup: 3 });
      for (const { id, group, leaves } of steps) {
        if (leaves) lobby.leave(id);
        else lobby.enter(id, { group }, group);
        expect(lobby.get(id) === undefined).toBe(leaves);
        const guests = [...lobby.guests()];
        expect(guests.length).toBeLessThanOrEqual(8);
        for (const name of ['g', 'h'])
          expect(guests.filter((guest) => guest.group === name).length).toBeLessThanOrEqual(3);
      }
    }),
  );
});

import { expect, test } from '@jest/globals';
import { settle } from '../../kit/manual-clock.ts';
import { Turnstile } from './turnstile.ts';

test('so many at once, the others in line, and whoever fails makes room too', async () => {
  const turnstile = new Turnstile(2);
  const works = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const started: number[] = [];
  const passed = works.map(({ promise }, i) =>
    turnstile.pass(() => {
      started.push(i);
      return promise;
    }),
  );
  await settle();
  expect(started).toEqual([0, 1]);
  works[1]?.reject(new Error('failed'));
  await expect(passed[1]).rejects.toThrow('failed');
  expect(started).toEqual([0, 1, 2]);
  for (const { resolve } of works) resolve();
  await Promise.all([passed[0], ...passed.slice(2)]);
  expect(started).toEqual([0, 1, 2, 3, 4]);
});

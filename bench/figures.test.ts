import { expect, test } from '@jest/globals';
import { figure, percentile } from './figures.ts';

test('a figure is the median with its spread, whatever the order of the runs', () => {
  expect(figure([5, 1, 9, 3, 7])).toEqual({ median: 5, min: 1, max: 9 });
});

test('a median of an even count lies between the middle two', () => {
  expect(figure([4, 1, 2, 3]).median).toBe(2.5);
});

test('a percentile falls between its neighbours', () => {
  expect(percentile([0, 10], 0.99)).toBeCloseTo(9.9);
});

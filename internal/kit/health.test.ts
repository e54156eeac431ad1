import { expect, test } from '@jest/globals';
import { Health } from './health.ts';

test('what every pod would say is shown, and takes no pod out of service', () => {
  const health = new Health();
  let redis: string | undefined;
  health.add('listeners', () => undefined);
  health.note('redis', () => redis);
  expect(health.report()).toEqual({ healthy: true, checks: { listeners: 'OK', redis: 'OK' } });
  redis = 'Redis does not answer';
  expect(health.report()).toEqual({ healthy: true, checks: { listeners: 'OK', redis } });
  health.add('agents', () => 'starting');
  expect(health.report().healthy).toBe(false);
});

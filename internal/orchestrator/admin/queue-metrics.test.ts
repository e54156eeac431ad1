import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { CallbackMetrics, QueueMetrics } from './queue-metrics.ts';

async function page(tell: (queue: QueueMetrics, callbacks: CallbackMetrics) => void): Promise<string> {
  const registry = new Registry();
  tell(new QueueMetrics(registry), new CallbackMetrics(registry));
  return registry.metrics();
}

test('an attempt counts by what it meant; one that another follows by its cause too; the last one as a dead letter', async () => {
  const text = await page((queue) => {
    queue.claimed(9, 1_500);
    queue.ended({ outcome: 'succeeded', code: 'OK' });
    queue.ended({ outcome: 'retried', code: 'AGENT_LOST' });
    queue.ended({ outcome: 'dead', code: 'AGENT_LOST' });
  });
  expect(text).toContain('resproxy_queue_claims_total 1');
  expect(text).toContain('resproxy_queue_wait_seconds_sum{priority="9"} 1.5');
  for (const outcome of ['succeeded', 'retried', 'dead'])
    expect(text).toContain(`resproxy_queue_attempts_total{outcome="${outcome}"} 1`);
  expect(text).toContain('resproxy_queue_retries_total{cause="AGENT_LOST"} 1');
  expect(text).toContain('resproxy_queue_dead_letters_total 1');
});

test('what a sweep ended counts by how, and its dead letters with the others', async () => {
  const text = await page((queue) => queue.swept({ requeued: 2, retried: 0, unknown: 1, dead: 3, expired: 0 }));
  expect(text).toContain('resproxy_queue_overdue_total{outcome="requeued"} 2');
  expect(text).toContain('resproxy_queue_overdue_total{outcome="unknown"} 1');
  expect(text).not.toContain('outcome="expired"');
  expect(text).toContain('resproxy_queue_dead_letters_total 3');
});

test('the depth is asked at each scrape, and left out while the store does not answer', async () => {
  const registry = new Registry();
  let answers = true;
  new QueueMetrics(registry).countDepth(async () => {
    if (!answers) throw new Error('away');
    return [{ state: 'QUEUED', priority: 5, jobs: 7 }];
  });
  expect(await registry.metrics()).toContain('resproxy_queue_jobs{state="QUEUED",priority="5"} 7');
  answers = false;
  expect(await registry.metrics()).not.toContain('resproxy_queue_jobs{');
});

test('the age of the oldest job is asked at each scrape too, by what it waits for', async () => {
  const registry = new Registry();
  let rows = [
    { waitingFor: 'claim', priority: 9, waitedMs: 1_500 },
    { waitingFor: 'exit', priority: 5, waitedMs: 60_000 },
  ];
  new QueueMetrics(registry).countAge(async () => {
    if (rows.length === 0) throw new Error('away');
    return rows;
  });
  const text = await registry.metrics();
  expect(text).toContain('resproxy_queue_oldest_seconds{waiting_for="claim",priority="9"} 1.5');
  expect(text).toContain('resproxy_queue_oldest_seconds{waiting_for="exit",priority="5"} 60');
  rows = rows.slice(1);
  expect(await registry.metrics()).not.toContain('resproxy_queue_oldest_seconds{waiting_for="claim"');
  rows = [];
  expect(await registry.metrics()).not.toContain('resproxy_queue_oldest_seconds{');
});

test('deliveries count by their outcome', async () => {
  const text = await page((_, callbacks) => callbacks.ended('gave-up'));
  expect(text).toContain('resproxy_callbacks_total{outcome="gave-up"} 1');
});

import { expect, test } from '@jest/globals';
import { ManualClock } from '../kit/manual-clock.ts';
import { EventRecorder } from './event-recorder.ts';

const object = { metadata: { name: 'berlin', namespace: 'homes', uid: 'u1', resourceVersion: '7' } };
const note = { type: 'Normal', reason: 'KeyIssued', action: 'IssueKey', text: 'New key.' } as const;

function recorder(create: (namespace: string, event: object) => Promise<unknown>) {
  const lost: unknown[] = [];
  const events = new EventRecorder({
    client: { create: (async (_kind: unknown, namespace: string, event: object) => create(namespace, event)) as never },
    clock: new ManualClock(),
    identity: 'operator-1',
    onLost: (error) => lost.push(error),
  });
  return { events, lost };
}

test('tells of the AgentKey, with microseconds, under names that differ', async () => {
  const sent: Record<string, unknown>[] = [];
  const { events } = recorder(async (namespace, event) => sent.push({ namespace, ...event }));
  events.record(object, note);
  events.record(object, note);
  await events.flush();
  expect(sent[0]).toMatchObject({
    namespace: 'homes',
    apiVersion: 'events.k8s.io/v1',
    eventTime: '2023-11-14T22:13:20.000000Z',
    reportingController: 'resproxy.dev/operator',
    reportingInstance: 'operator-1',
    regarding: { kind: 'AgentKey', name: 'berlin', uid: 'u1' },
    reason: 'KeyIssued',
    note: 'New key.',
  });
  expect(sent[0]?.metadata).not.toEqual(sent[1]?.metadata);
});

test('one that fails is lost and told, and so are those beyond a hundred at once', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const { events, lost } = recorder(() => promise);
  for (let i = 0; i < 103; i++) events.record(object, note);
  expect(lost).toHaveLength(3);
  reject(new Error('no'));
  await events.flush();
  expect(lost).toHaveLength(103);
});

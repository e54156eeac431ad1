import { expect, test } from '@jest/globals';
import { AgentOrderKind } from '../../../gen/resproxy/v1/channel_pb.ts';
import { FleetControl } from './fleet-control.ts';

type Order = [podId: string, agentId: string, kind: AgentOrderKind];

/** An agent with connections on these pods; this one is `here`, with two of its own, and the others have one each. */
function controlOver(podIds: readonly string[], order: (podId: string) => Promise<number> = async () => 1) {
  const orders: Order[] = [];
  const control = new FleetControl({
    podId: 'here',
    local: { drain: async () => 2, disconnect: async () => 2 },
    peers: {
      order: (...given: Order) => {
        orders.push(given);
        return order(given[0]);
      },
    },
    where: () => podIds.map((podId) => ({ podId })),
  });
  return { control, orders };
}

test('an order reaches the connections of every pod, each pod once', async () => {
  const { control, orders } = controlOver(['here', 'a', 'b', 'a']);
  expect(await control.drain('home/x')).toBe(4);
  expect(orders).toEqual([
    ['a', 'home/x', AgentOrderKind.DRAIN],
    ['b', 'home/x', AgentOrderKind.DRAIN],
  ]);
});

test('an agent of this pod alone is no business of others', async () => {
  const { control, orders } = controlOver(['here']);
  expect(await control.disconnect('home/x')).toBe(2);
  expect(orders).toEqual([]);
});

test('whoever gives an order hears that a pod could not be reached', async () => {
  const { control } = controlOver(['a', 'b'], async (podId) => {
    if (podId === 'b') throw new Error('no link');
    return 1;
  });
  await expect(control.disconnect('home/x')).rejects.toMatchObject({
    code: 'AGENT_DISCONNECTED',
    message: expect.stringContaining('cannot be reached'),
  });
});

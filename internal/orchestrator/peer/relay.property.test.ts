import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { Exchange } from '../channel/link.ts';
import { arrived, head, type Relaying, relaying, request, timings } from './relay-fixture.ts';

const body = Buffer.alloc(100_000, 'x');
const failure = { code: FailureCode.DNS_FAILURE, refusal: RefusalReason.UNSPECIFIED, execution: Execution.NOT_STARTED };

interface Scene {
  readonly pods: Relaying;
  readonly exchange: Exchange;
  /** The agent's end, once the job is there. */
  readonly stream: () => AcceptedStream | undefined;
}

type Event = (scene: Scene) => unknown;

/** What can happen to a job on its way, in any order; what makes no sense any more must do nothing. */
const events: Readonly<Record<string, Event>> = {
  answers: ({ stream }) => stream()?.accept({ ...head, timings, body, end: true }),
  begins: ({ stream }) => stream()?.accept({ ...head, timings, body: body.subarray(0, 10), end: false }),
  goesOn: ({ stream }) => stream()?.write(body),
  ends: ({ stream }) => stream()?.end(),
  refuses: ({ stream }) => stream()?.refuse(failure),
  breaksOff: ({ stream }) => stream()?.reset(ResetCode.FAILED, FailureCode.RESPONSE_INCOMPLETE),
  losesAgent: ({ pods }) => pods.owner.close(),
  losesLink: ({ pods }) => pods.callerLine.cut(),
  fencesAgent: ({ pods }) => pods.owner.connections.onRevoked('k1', 'removed'),
  isCancelled: ({ exchange }) => exchange.cancel('cancelled'),
  isOverdue: ({ exchange }) => exchange.cancel('deadline'),
  isRead: ({ exchange }) => void exchange.read().catch(() => {}),
  settles: () => arrived(1),
};

const names = fc.array(fc.constantFrom(...Object.keys(events)), { minLength: 1, maxLength: 12 });

test('whatever happens to relayed jobs, each place is given back once and nothing waits or stays behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), names, async (isThere, order) => {
      const pods = relaying();
      let stream: AcceptedStream | undefined;
      const serve = (given: AcceptedStream): void => {
        stream = given;
      };
      if (isThere) await pods.owner.connect('a', serve);
      const there = pods.owner.fleet.byId('key/a/direct');
      const exit = pods.knows('a');
      pods.registry.refresh = async () => void (await pods.owner.connect('a', serve));
      const link = pods.links.linkTo('key/a/direct');
      const exchange = link?.open(request('a', {}, body));
      if (!exchange) throw new Error('no link');
      const over = exchange.head.then(
        () => true,
        () => true,
      );
      for (const name of order) await events[name]?.({ pods, exchange, stream: () => stream });
      await arrived();
      exchange.cancel('cancelled');
      await arrived();
      expect([exit.inFlight, there?.inFlight ?? 0, pods.owner.intake.inFlight]).toEqual([0, 0, 0]);
      expect(await Promise.race([over, arrived().then(() => false)])).toBe(true);
      expect(await pods.close()).toEqual({ timers: 0, jobs: 0 });
      expect([pods.means.budget.usedBytes, pods.owner.means.budget.usedBytes]).toEqual([0, 0]);
    }),
    { numRuns: 60 },
  );
});

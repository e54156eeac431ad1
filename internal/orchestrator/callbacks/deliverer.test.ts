import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { Webhook } from 'standardwebhooks';
import { OwnNetwork } from '../../guard/own-network.ts';
import type { Clock } from '../../kit/clock.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import type { CallbackState } from '../jobs/job.ts';
import type { DeliveryOutcome, JobStore } from '../jobs/job-store.ts';
import { memoryJobStore } from '../jobs/memory-store.ts';
import { job, ref } from '../jobs/suite/subject.ts';
import { callbackLimits } from './callback-limits.ts';
import { CallbackRules, parseReceiver } from './callback-rules.ts';
import { CallbackSecrets, type SecretSource } from './callback-secrets.ts';
import { Deliverer } from './deliverer.ts';
import { openReceiver, type Received } from './receiver-fixture.ts';
import { parseSecret } from './signature.ts';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Resolves once `is` holds; bounded by the test. */
async function becomes(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setImmediate(resolve));
}

type Answer = (response: ServerResponse) => void;

interface Given {
  readonly known?: boolean;
  readonly allowed?: boolean;
  /** Instead of the one secret of the tenant. */
  readonly source?: (clock: Clock) => SecretSource;
}

async function delivering(answer?: Answer, { known = true, allowed = true, source }: Given = {}) {
  const clock = new ManualClock();
  const store = memoryJobStore({ now: () => clock.wallMs() });
  const receiver = await openReceiver(answer);
  cleanUps.push(() => receiver.close());
  const allow = allowed ? [parseReceiver(`127.0.0.1/32:${receiver.port}`)] : [];
  const own = new OwnNetwork({ clock, interfaces: () => ({}), gateways: () => [] });
  const outcomes: DeliveryOutcome['kind'][] = [];
  const deliverer = new Deliverer({
    store,
    rules: new CallbackRules(allow, own),
    secrets: source?.(clock) ?? { of: (tenant) => (known && tenant === 'acme' ? [parseSecret(secret)] : []) },
    webhookId: (jobId) => `msg_${jobId}`,
    clock,
    random: () => 0.5,
    observer: { ended: (outcome) => void outcomes.push(outcome) },
    log: pino({ enabled: false }),
  });
  deliverer.start();
  cleanUps.push(() => deliverer.stop());
  /** A job that is over and has somebody to tell. */
  const end = (jobId = 'j1', url = receiver.url()) => ended(store, jobId, url);
  const state = async (jobId = 'j1'): Promise<CallbackState | null | undefined> =>
    (await store.get(ref(jobId)))?.callback;
  /** Lets time pass until so many outcomes were recorded. */
  const outcomesAre = async (count: number) => {
    await becomes(async () => {
      if (outcomes.length < count) await clock.advance(callbackLimits.hintMs);
      return outcomes.length >= count;
    });
  };
  return { clock, store, receiver, deliverer, end, state, outcomes, outcomesAre };
}

async function ended(store: JobStore, jobId: string, url: URL): Promise<void> {
  await store.submit(job({ jobId, callback: Buffer.from(JSON.stringify({ url: url.href })), labels: { order: '7' } }));
  await store.cancel(ref(jobId));
}

const status = (code: number, headers: Record<string, string> = {}): Answer => {
  return (response) => void response.writeHead(code, headers).end('what a receiver says');
};

describe('a callback', () => {
  test('tells of the end, signed so that the public library takes it', async () => {
    const { end, receiver, state, outcomesAre, clock } = await delivering();
    await end();
    await outcomesAre(1);
    const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = receiver.received;
    expect(path).toBe('/hook');
    expect(headers['webhook-id']).toBe('msg_j1');
    expect(Number(headers['webhook-timestamp'])).toBe(Math.floor(clock.wallMs() / 1000));
    expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).toThrow(/too old/i);
    const signature = new Webhook(secret).sign('msg_j1', new Date(clock.wallMs()), body);
    expect(headers['webhook-signature']).toBe(signature);
    expect(JSON.parse(body)).toMatchObject({
      type: 'job.cancelled',
      data: { jobId: 'j1', state: 'CANCELLED', labels: { order: '7' }, code: 'CANCELLED', execution: 'NOT_STARTED' },
    });
    expect(await state()).toMatchObject({ state: 'DELIVERED', tries: 1, last: 'status 204' });
  });

  test('is signed by each secret that the file holds now, so that a receiver changes its own without missing one', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'secrets-'));
    cleanUps.push(() => rm(dir, { recursive: true }));
    const path = join(dir, 'callback-secrets.json');
    const next = `whsec_${randomBytes(32).toString('base64')}`;
    const write = (...secrets: string[]) => writeFile(path, JSON.stringify({ secrets: [{ tenant: 'acme', secrets }] }));
    await write(secret);
    let file: CallbackSecrets | undefined;
    const source = (clock: Clock) => {
      file = new CallbackSecrets({ path, clock, log: pino({ enabled: false }) });
      return file;
    };
    const { end, receiver, outcomesAre, clock } = await delivering(undefined, { source });
    await file?.start();
    cleanUps.push(() => file?.stop());
    const holds = (count: number) =>
      becomes(async () => {
        await clock.advance(300);
        return file?.of('acme').length === count;
      });
    /** Whether a receiver that knows only the old one takes the newest delivery, and one that knows only the new. */
    const takenBy = () => {
      const { headers = {}, body = '' }: Partial<Received> = receiver.received.at(-1) ?? {};
      const id = String(headers['webhook-id']);
      const at = new Date(Number(headers['webhook-timestamp']) * 1000);
      const sent = String(headers['webhook-signature']).split(' ');
      return [secret, next].map((known) => sent.includes(new Webhook(known).sign(id, at, body)));
    };
    await end('j1');
    await outcomesAre(1);
    expect(takenBy()).toEqual([true, false]);
    await write(next, secret);
    await holds(2);
    await end('j2');
    await outcomesAre(2);
    expect(takenBy()).toEqual([true, true]);
    await write(next);
    await holds(1);
    await end('j3');
    await outcomesAre(3);
    expect(takenBy()).toEqual([false, true]);
  });

  test('that fails is tried again by the schedule, with the same id, and then given up', async () => {
    const { end, receiver, state, outcomesAre, clock, outcomes } = await delivering(status(500));
    await end();
    await outcomesAre(1);
    for (const [i, pauseMs] of callbackLimits.scheduleMs.entries()) {
      const { dueAt } = (await state()) ?? {};
      const leftMs = (dueAt ?? 0) - clock.wallMs();
      expect(leftMs).toBeLessThanOrEqual(pauseMs);
      expect(leftMs).toBeGreaterThan(pauseMs - 2 * callbackLimits.pollMs);
      await clock.advance(leftMs - 1);
      expect(outcomes).toHaveLength(i + 1);
      await clock.advance(callbackLimits.pollMs);
      await outcomesAre(i + 2);
    }
    expect(outcomes.at(-1)).toBe('gave-up');
    expect(await state()).toMatchObject({ state: 'GAVE_UP', tries: callbackLimits.scheduleMs.length + 1 });
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['msg_j1']));
  });

  test('is over for good when the receiver says that it is gone', async () => {
    const { end, state, outcomesAre, outcomes } = await delivering(status(410));
    await end();
    await outcomesAre(1);
    expect(outcomes).toEqual(['gave-up']);
    expect(await state()).toMatchObject({ state: 'GAVE_UP', tries: 1, last: 'status 410' });
  });

  test('follows no redirect', async () => {
    const inside = await openReceiver();
    cleanUps.push(() => inside.close());
    const { end, state, outcomesAre } = await delivering(status(307, { location: inside.url().href }));
    await end();
    await outcomesAre(1);
    expect(inside.received).toEqual([]);
    expect(await state()).toMatchObject({ state: 'PENDING', last: 'status 307' });
  });

  test('to a receiver that does not answer is over after its timeout', async () => {
    const { end, receiver, state, outcomesAre, clock } = await delivering(() => {});
    await end();
    await becomes(async () => {
      await clock.advance(callbackLimits.hintMs);
      return receiver.received.length > 0;
    });
    await clock.advance(callbackLimits.timeoutMs);
    await outcomesAre(1);
    expect(await state()).toMatchObject({ state: 'PENDING', last: 'timeout' });
  });

  test('reads no answer without end', async () => {
    const endless: Answer = (response) => {
      response.writeHead(200);
      const piece = Buffer.alloc(64 * 1024);
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', write);
      write();
    };
    const { end, state, outcomesAre } = await delivering(endless);
    await end();
    await outcomesAre(1);
    expect(await state()).toMatchObject({ state: 'DELIVERED', last: 'status 200' });
  });

  test('to a receiver that is down fails in words of ours', async () => {
    const { end, state, outcomesAre, receiver } = await delivering();
    await receiver.close();
    cleanUps.splice(0, 1);
    await end();
    await outcomesAre(1);
    expect(await state()).toMatchObject({ state: 'PENDING', last: 'no connection' });
  });

  test('to the inside of the network is refused unless it was allowed', async () => {
    const { end, state, outcomesAre, receiver } = await delivering(undefined, { allowed: false });
    await end('j1', new URL(`https://127.0.0.1/hook`));
    await outcomesAre(1);
    expect(await state()).toMatchObject({ state: 'PENDING', last: 'refused by rules' });
    await end('j2');
    await outcomesAre(2);
    expect(await state('j2')).toMatchObject({ state: 'GAVE_UP', last: 'refused by rules' });
    expect(receiver.received).toEqual([]);
  });

  test('of a tenant without a secret is not sent unsigned', async () => {
    const { end, state, outcomesAre, receiver } = await delivering(undefined, { known: false });
    await end();
    await outcomesAre(1);
    expect(receiver.received).toEqual([]);
    expect(await state()).toMatchObject({ state: 'PENDING', last: 'the tenant has no secret' });
  });

  test('that waits for a busy receiver burns none of its schedule', async () => {
    const held: ServerResponse[] = [];
    const { end, receiver, state, outcomesAre, outcomes, clock } = await delivering(
      (response) => void held.push(response),
    );
    const count = callbackLimits.maxPerReceiver + 4;
    for (let i = 0; i < count; i++) await end(`j${i}`);
    await outcomesAre(4);
    await becomes(() => receiver.received.length >= callbackLimits.maxPerReceiver);
    expect(new Set(outcomes)).toEqual(new Set(['postponed']));
    expect(receiver.received).toHaveLength(callbackLimits.maxPerReceiver);
    for (const response of held.splice(0)) response.writeHead(204).end();
    await becomes(async () => {
      for (const response of held.splice(0)) response.writeHead(204).end();
      await clock.advance(callbackLimits.hintMs);
      return outcomes.filter((outcome) => outcome === 'delivered').length === count;
    });
    for (let i = 0; i < count; i++) expect(await state(`j${i}`)).toMatchObject({ state: 'DELIVERED', tries: 1 });
  });

  test('that a pod left in the middle is made by another', async () => {
    const { store, end, outcomesAre, clock, state } = await delivering();
    await end();
    // Another pod claimed it, and died.
    await store.claimDeliveries(10, callbackLimits.leaseMs);
    await clock.advance(callbackLimits.leaseMs);
    await outcomesAre(1);
    expect(await state()).toMatchObject({ state: 'DELIVERED', tries: 2 });
  });
});

test('a stop waits for the deliveries under way, and leaves no timer', async () => {
  const held: ServerResponse[] = [];
  const { end, deliverer, outcomes, clock } = await delivering((response) => void held.push(response));
  await end();
  await becomes(async () => {
    await clock.advance(callbackLimits.hintMs);
    return held.length > 0;
  });
  const stopped = deliverer.stop();
  held[0]?.writeHead(204).end();
  await stopped;
  expect(outcomes).toEqual(['delivered']);
  expect(clock.pending).toBe(0);
  cleanUps.splice(1, 1);
});

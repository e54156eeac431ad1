import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type OpenErr, RelayRefusal, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import { type AcceptedStream, type OpenedStream, type StreamEnd, StreamError } from '../../wire/stream-api.ts';
import type { ExchangeRequest } from '../channel/link.ts';
import { toRelayRequest } from '../channel/open-request.ts';
import { anyTarget, type Target } from '../route/candidate.ts';
import { arrived, head, type Relaying, relaying, request, timings, whole } from './relay-fixture.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

let pods: Relaying;

beforeEach(() => {
  pods = relaying();
});

afterEach(async () => {
  expect(await pods.close()).toEqual({ timers: 0, jobs: 0 });
});

const answerOk = (stream: AcceptedStream): void =>
  stream.accept({ ...head, timings, body: new Uint8Array(), end: true });
const none = new Uint8Array();

/** What another pod sends, also when no pod of this version would. */
function sent(given: Partial<ExchangeRequest> = {}, lies: Partial<OpenRequest> = {}, body = none): OpenedStream {
  return pods.mux.open({ ...toRelayRequest(request('a', given)), ...lies }, body);
}

async function endOf(promise: Promise<unknown>): Promise<StreamEnd> {
  const error = await promise.then(
    () => undefined,
    (rejection: unknown) => rejection,
  );
  if (!(error instanceof StreamError)) throw new Error('the stream did not fail');
  return error.end;
}

async function refusalOf(stream: OpenedStream): Promise<OpenErr> {
  const end = await endOf(stream.head);
  if (end.kind !== 'refused') throw new Error(`the stream was not refused: ${end.kind}`);
  return end.error;
}

function targetOf(target: Partial<Target>): { target: Target } {
  return { target: { ...anyTarget, ...target } };
}

describe('what another pod sends is refused when', () => {
  const relay = { tenant: 'acme', target: anyTarget, triedExitIds: [] };
  const labels = new Map(Array.from({ length: 33 }, (_, i) => [`l${i}`, 'x']));
  const http = request('a').request;
  const httpOf = (given: object) => ({ kind: { case: 'http', value: { ...http, ...given } } }) as const;
  const cases: [string, Partial<OpenRequest>, FailureCode][] = [
    ['its exit is not an id', { exit: 'direct' }, FailureCode.INVALID_REQUEST],
    ['its exit is too long an id', { exit: `${'k'.repeat(129)}/a/direct` }, FailureCode.INVALID_REQUEST],
    ['nothing is said of the job', { relay: undefined }, FailureCode.INVALID_REQUEST],
    ['no tenant is named', { relay: { ...relay, tenant: '' } }, FailureCode.INVALID_REQUEST],
    [
      'too many exits were tried',
      { relay: { ...relay, triedExitIds: Array<string>(65).fill('k/a/e') } },
      FailureCode.INVALID_REQUEST,
    ],
    ['it has too many labels', { relay: { ...relay, target: { ...anyTarget, labels } } }, FailureCode.INVALID_REQUEST],
    [
      'it is pinned to another exit than it asks',
      { relay: { ...relay, target: { ...anyTarget, exitId: 'key/b/direct' } } },
      FailureCode.INVALID_REQUEST,
    ],
    ['it is of an unknown kind', { kind: { case: undefined } }, FailureCode.UNIMPLEMENTED],
    ['it has no job id', { jobId: '' }, FailureCode.INVALID_REQUEST],
    ['its job id is too long', { jobId: 'j'.repeat(129) }, FailureCode.INVALID_REQUEST],
    ['it is no attempt', { attempt: 0 }, FailureCode.INVALID_REQUEST],
    ['it has no deadline', { deadlineMs: 0 }, FailureCode.INVALID_REQUEST],
    ['it has no URL', httpOf({ url: '' }), FailureCode.INVALID_REQUEST],
    ['its URL is too long', httpOf({ url: `http://${'a'.repeat(8 * KiB)}` }), FailureCode.REQUEST_TOO_LARGE],
    [
      'it has too many headers',
      httpOf({ headers: Array<object>(257).fill({ name: 'a', value: '' }) }),
      FailureCode.REQUEST_TOO_LARGE,
    ],
    ['it follows too many redirects', httpOf({ maxRedirects: 21 }), FailureCode.INVALID_REQUEST],
    ['no number can hold its bound', httpOf({ maxResponseBytes: 2 ** 60 }), FailureCode.INVALID_REQUEST],
  ];
  test.each(cases)('%s', async (_, lies, code) => {
    await pods.owner.connect('a', answerOk);
    const refusal = await refusalOf(sent({}, lies));
    expect([refusal.code, refusal.execution, refusal.relay]).toEqual([code, Execution.NOT_STARTED, 0]);
    expect(pods.owner.results).toEqual([]);
  });

  test('its body is larger than any may be', async () => {
    await pods.owner.connect('a', answerOk);
    const stream = pods.mux.open(toRelayRequest(request('a')), none, 16 * MiB + 1);
    expect((await refusalOf(stream)).code).toBe(FailureCode.REQUEST_TOO_LARGE);
  });
});

describe('who may use an exit', () => {
  test('is judged here again: for others a pinned exit does not exist', async () => {
    await pods.owner.connect('a', answerOk, {}, ['umbrella']);
    const refusal = await refusalOf(sent(targetOf({ exitId: 'key/a/direct' })));
    expect([refusal.code, refusal.relay]).toEqual([FailureCode.EXIT_NOT_FOUND, RelayRefusal.UNSPECIFIED]);
    expect((await sent({ tenant: 'umbrella' }).head).statusCode).toBe(200);
  });

  test('gets another exit of this pod, but none that it may not use either', async () => {
    await pods.owner.connect('a', answerOk, {}, ['umbrella']);
    expect((await refusalOf(sent())).relay).toBe(RelayRefusal.BUSY);
    await pods.owner.connect('b', answerOk);
    expect((await sent().head).exitId).toBe('key/b/direct');
  });
});

describe('another exit of this pod', () => {
  test('takes the job when the agent has left, if it fits', async () => {
    await pods.owner.connect('b', answerOk, { labels: { country: 'FR' } });
    expect((await refusalOf(sent(targetOf({ country: 'DE' })))).relay).toBe(RelayRefusal.NOT_HERE);
    expect((await sent(targetOf({ country: 'FR' })).head).exitId).toBe('key/b/direct');
  });

  test('takes the job when the exit no longer fits the target', async () => {
    await pods.owner.connect('a', answerOk, { labels: { country: 'FR' } });
    expect((await refusalOf(sent(targetOf({ country: 'DE' })))).relay).toBe(RelayRefusal.BUSY);
    await pods.owner.connect('b', answerOk, { labels: { country: 'DE' } });
    expect((await sent(targetOf({ country: 'DE' })).head).exitId).toBe('key/b/direct');
  });

  test('is not one that the job was sent to already', async () => {
    await pods.owner.connect('b', answerOk);
    expect((await refusalOf(sent({ tried: ['key/b/direct'] }))).relay).toBe(RelayRefusal.NOT_HERE);
  });
});

describe('an agent of this pod that goes', () => {
  test('still takes jobs of other pods while the pod drains and it has no other', async () => {
    await pods.owner.connect('a', answerOk);
    const gone = pods.owner.connections.drainAll({ graceMs: 10_000, spreadMs: 0 });
    expect((await sent().head).statusCode).toBe(200);
    pods.owner.close();
    await gone;
  });

  test('is not here any more once it drains by itself', async () => {
    await pods.owner.connect('a', answerOk);
    pods.owner.connections.drainAgent('key/a');
    const { code, execution, relay } = await refusalOf(sent());
    expect([code, execution, relay]).toEqual([
      FailureCode.AGENT_DISCONNECTED,
      Execution.NOT_STARTED,
      RelayRefusal.NOT_HERE,
    ]);
  });
});

describe('draining', () => {
  test('sends new jobs away and waits for those that run', async () => {
    const streams: AcceptedStream[] = [];
    await pods.owner.connect('a', (stream) => void streams.push(stream));
    const running = sent();
    await arrived();
    let drained = false;
    void pods.owner.intake.drain().then(() => {
      drained = true;
    });
    expect((await refusalOf(sent())).relay).toBe(RelayRefusal.NOT_HERE);
    expect([drained, pods.owner.intake.inFlight]).toEqual([false, 1]);
    for (const stream of streams) answerOk(stream);
    expect((await running.head).statusCode).toBe(200);
    await arrived();
    expect([drained, pods.owner.intake.inFlight]).toEqual([true, 0]);
  });

  test('is over at once when nothing runs', async () => {
    await pods.owner.intake.drain();
  });
});

describe('a body', () => {
  const window = 256 * KiB;
  /** The owner's has grown once, since a whole window passed at once; beside it, the frames around the pieces. */
  const mostInOwner = 2 * window + 16 * KiB;

  test('of an answer that nobody reads is held within the windows of both pods, and whole in the end', async () => {
    const body = Buffer.alloc(8 * MiB, 'answer');
    await pods.owner.connect('a', (stream) => {
      stream.accept({ ...head, timings, body: none, end: false });
      stream.write(body);
      stream.end();
    });
    const stream = sent();
    await stream.head;
    await arrived(50);
    const inOwner = (pods.owner.lines[0]?.bytesReceived ?? 0) - pods.callerLine.bytesReceived;
    expect(pods.means.budget.usedBytes).toBe(window);
    expect(inOwner).toBeGreaterThan(window);
    expect(inOwner).toBeLessThan(mostInOwner);
    expect((await whole(none, stream)).equals(body)).toBe(true);
  });

  test('of a request that the agent does not read is held within the windows, and whole in the end', async () => {
    const body = Buffer.alloc(5 * MiB, 'request');
    const streams: AcceptedStream[] = [];
    const agent = await pods.owner.connect('a', (stream) => void streams.push(stream));
    const stream = sent({}, {}, body);
    await arrived(50);
    const inOwner = pods.ownerLine.bytesReceived - agent.bytesReceived;
    expect(inOwner).toBeGreaterThan(window);
    expect(inOwner).toBeLessThan(mostInOwner);
    const [served] = streams;
    if (!served) throw new Error('the agent has no job');
    expect((await whole(served.open.body, served)).equals(body)).toBe(true);
    answerOk(served);
    expect((await stream.head).statusCode).toBe(200);
  });

  test.each([
    ['shorter', 5],
    ['longer', 30],
  ])('of a request that is %s than was said never looks whole to the agent', async (_, bytes) => {
    const ends: Promise<StreamEnd>[] = [];
    await pods.owner.connect('a', (stream) => void ends.push(endOf(whole(stream.open.body, stream))));
    const stream = pods.mux.open(toRelayRequest(request('a')), Buffer.alloc(10), 30);
    await arrived();
    stream.write(Buffer.alloc(bytes));
    stream.end();
    const { code, execution } = await refusalOf(stream);
    expect([code, execution]).toEqual([FailureCode.INTERNAL, Execution.POSSIBLE]);
    await arrived();
    expect(await ends[0]).toMatchObject({ kind: 'reset', code: ResetCode.FAILED });
  });
});

test('a job that neither the other pod nor the agent ends on time is ended here', async () => {
  const ends: StreamEnd[] = [];
  await pods.owner.connect('a', (stream) => stream.onAbort((end) => ends.push(end)));
  const stream = sent({ deadlineMs: 100 });
  const end = endOf(stream.head);
  await arrived();
  await pods.clock.advance(1_000);
  expect(pods.owner.intake.inFlight).toBe(1);
  await pods.clock.advance(300);
  expect(await end).toMatchObject({ kind: 'reset', code: ResetCode.DEADLINE });
  expect(ends).toMatchObject([{ kind: 'reset', code: ResetCode.DEADLINE }]);
  expect(pods.owner.intake.inFlight).toBe(0);
});

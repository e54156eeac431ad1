import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RelayRefusal, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { AcceptedStream, StreamEnd } from '../../wire/stream-api.ts';
import type { Exchange, ExchangeHead, ExchangeRequest } from '../channel/link.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { RemotePod } from '../registry/pods.ts';
import { busyPauseMs, type RemoteExit } from '../registry/remote-exit.ts';
import { anyTarget } from '../route/candidate.ts';
import { arrived, head, type Relaying, relaying, request, timings, whole } from './relay-fixture.ts';

let pods: Relaying;

beforeEach(() => {
  pods = relaying();
});

afterEach(async () => {
  expect(await pods.close()).toEqual({ timers: 0, jobs: 0 });
});

const answerOk = (stream: AcceptedStream): void =>
  stream.accept({ ...head, timings, body: Buffer.from(`by ${stream.open.exit}`), end: true });
const silence = (): void => {};

function open(agent = 'a', given: Partial<ExchangeRequest> = {}, body?: Uint8Array): Exchange {
  const link = pods.links.linkTo(`key/${agent}/direct`);
  if (!link) throw new Error('no link');
  return link.open(request(agent, given, body));
}

async function failureOf(promise: Promise<unknown>): Promise<Pick<AttemptFailure, 'code' | 'execution' | 'exitId'>> {
  const error = await promise.then(
    () => undefined,
    (rejection: unknown) => rejection,
  );
  if (!(error instanceof AttemptFailure)) throw new Error('did not fail as an attempt');
  const { code, execution, exitId } = error;
  return { code, execution, exitId };
}

function textOf({ body }: ExchangeHead): string {
  return Buffer.from(body).toString();
}

const pinned = { target: { ...anyTarget, exitId: 'key/a/direct' } };

describe('a job on an exit of another pod', () => {
  test('reaches its agent as a job of that pod would, and the answer comes back', async () => {
    const opens: AcceptedStream['open'][] = [];
    await pods.owner.connect('a', (stream) => {
      opens.push(stream.open);
      answerOk(stream);
    });
    const exit = pods.knows('a');
    const exchange = open('a', {}, Buffer.from('body'));
    expect(exit.inFlight).toBe(1);
    expect(await exchange.head).toMatchObject({ ...head, timings, end: true, exitId: '' });
    expect(opens).toMatchObject([
      {
        exit: 'direct',
        jobId: 'job-1',
        attempt: 1,
        idempotent: false,
        deadlineMs: 5_000,
        traceparent: '00-1',
        end: true,
        kind: { value: { method: 'POST', url: 'http://origin.test/', maxRedirects: 3, decompress: true } },
      },
    ]);
    expect(opens[0]?.isolationKey).toHaveLength(32);
    expect(opens[0]?.relay).toBeUndefined();
    await arrived();
    expect([exit.inFlight, pods.results, pods.owner.results]).toEqual([0, ['sent', 'answered'], ['served']]);
  });

  test('streams bodies of many windows both ways', async () => {
    const up = Buffer.alloc(5 * 1024 * 1024, 'upload');
    const down = Buffer.alloc(8 * 1024 * 1024, 'download');
    const received: Promise<Buffer>[] = [];
    const lengths: (number | undefined)[] = [];
    await pods.owner.connect('a', (stream) => {
      lengths.push(stream.open.bodyBytes);
      received.push(whole(stream.open.body, stream));
      stream.accept({ ...head, timings, body: new Uint8Array(), end: false });
      stream.write(down);
      stream.end();
    });
    pods.knows('a');
    const exchange = open('a', {}, up);
    expect((await whole((await exchange.head).body, exchange)).equals(down)).toBe(true);
    expect(lengths).toEqual([up.length]);
    await received[0];
  });

  test('hands the whole request on before the agent answers', async () => {
    const up = Buffer.alloc(5 * 1024 * 1024, 'upload');
    await pods.owner.connect('a', (stream) => {
      void whole(stream.open.body, stream).then((body) =>
        stream.accept({ ...head, timings, body: Buffer.from(String(body.equals(up))), end: true }),
      );
    });
    pods.knows('a');
    expect(textOf(await open('a', {}, up).head)).toBe('true');
  });

  test('keeps the bound of its answer here too', async () => {
    await pods.owner.connect('a', answerOk);
    const exit = pods.knows('a');
    const small = request('a');
    const exchange = open('a', { request: { ...small.request, maxResponseBytes: 5 } });
    expect(await failureOf(exchange.head)).toMatchObject({ code: 'RESPONSE_TOO_LARGE', execution: 'DONE' });
    expect(exit.inFlight).toBe(0);
  });
});

describe('what the agent says of a job', () => {
  test('is believed by both pods as the first one read it', async () => {
    const error = { code: FailureCode.EXIT_REFUSED, refusal: RefusalReason.PORT, execution: Execution.NOT_STARTED };
    await pods.owner.connect('a', (stream) => stream.refuse(error));
    pods.knows('a');
    await expect(open('a', pinned).head).rejects.toMatchObject({
      code: 'EXIT_REFUSED',
      refusal: 'PORT',
      execution: 'NOT_STARTED',
    });
    await arrived();
    expect(pods.results).toEqual(['sent', 'answered']);
  });

  test('is not believed where no agent can know', async () => {
    const error = {
      code: FailureCode.UNAUTHENTICATED,
      refusal: RefusalReason.UNSPECIFIED,
      execution: Execution.NOT_STARTED,
    };
    await pods.owner.connect('a', (stream) => stream.refuse(error));
    pods.knows('a');
    expect((await failureOf(open('a').head)).code).toBe('INTERNAL');
  });

  test('comes through after the head as well', async () => {
    await pods.owner.connect('a', (stream) => {
      stream.accept({ ...head, timings, body: Buffer.from('half'), end: false });
      setImmediate(() => stream.reset(ResetCode.FAILED, FailureCode.RESPONSE_INCOMPLETE));
    });
    const exit = pods.knows('a');
    const exchange = open('a');
    await exchange.head;
    expect(await failureOf(exchange.read())).toMatchObject({ code: 'RESPONSE_INCOMPLETE', execution: 'POSSIBLE' });
    expect(exit.inFlight).toBe(0);
  });

  test('counts no more once its connection is lost', async () => {
    const agent = await pods.owner.connect('a', silence);
    pods.knows('a');
    const waiting = open('a');
    await arrived();
    agent.terminate(1006, '');
    expect(await failureOf(waiting.head)).toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
  });

  test('counts no more once another program took its name, not even what has arrived', async () => {
    const streams: AcceptedStream[] = [];
    await pods.owner.connect('a', (stream) => {
      streams.push(stream);
      stream.accept({ ...head, timings, body: Buffer.from('begun'), end: false });
    });
    pods.knows('a');
    const exchange = open('a');
    await exchange.head;
    await pods.owner.connect('a', silence);
    expect(await failureOf(exchange.read())).toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
  });
});

describe('an exit without room', () => {
  test('is replaced by another of its pod that fits, and left alone for a moment', async () => {
    await pods.owner.connect('a', answerOk, { capacity: 1 });
    await pods.owner.connect('b', answerOk);
    const exit = pods.knows('a');
    occupy('a');
    const answer = await open('a').head;
    expect(answer.exitId).toBe('key/b/direct');
    expect(exit.open).toBe(false);
    await pods.clock.advance(busyPauseMs);
    expect(exit.open).toBe(true);
  });

  test('names the exit that failed in its place', async () => {
    await pods.owner.connect('a', answerOk, { capacity: 1 });
    const error = {
      code: FailureCode.DNS_FAILURE,
      refusal: RefusalReason.UNSPECIFIED,
      execution: Execution.NOT_STARTED,
    };
    await pods.owner.connect('b', (stream) => stream.refuse(error));
    pods.knows('a');
    occupy('a');
    expect(await failureOf(open('a').head)).toEqual({
      code: 'DNS_FAILURE',
      execution: 'NOT_STARTED',
      exitId: 'key/b/direct',
    });
  });

  test('is never replaced when the caller named it', async () => {
    await pods.owner.connect('a', answerOk, { capacity: 1 });
    await pods.owner.connect('b', answerOk);
    const exit = pods.knows('a');
    occupy('a');
    expect(await failureOf(open('a', pinned).head)).toMatchObject({ code: 'EXIT_BUSY', execution: 'NOT_STARTED' });
    expect([exit.open, exit.inFlight, pods.results]).toEqual([false, 0, ['sent', 'busy']]);
  });

  test('is left alone once, however many jobs it turns away', async () => {
    await pods.owner.connect('a', answerOk, { capacity: 1 });
    pods.knows('a');
    occupy('a');
    const timers = pods.clock.pending;
    await Promise.all([open('a'), open('a')].map(({ head: answer }) => failureOf(answer)));
    expect(pods.clock.pending).toBe(timers + 1);
  });
});

/** The owner has sent as many jobs to the agent itself as it takes. */
function occupy(agent: string): void {
  const exit = pods.owner.fleet.byId(`key/${agent}/direct`);
  if (exit) exit.inFlight = exit.capacity;
}

describe('an agent that is no longer at the pod', () => {
  test('is found here after a refresh, within the same attempt', async () => {
    const opens: AcceptedStream['open'][] = [];
    pods.knows('a');
    pods.registry.refresh = async () => {
      await pods.here.connect('a', (stream) => {
        opens.push(stream.open);
        answerOk(stream);
      });
      pods.view.add(pods.here.fleet.all.at(0));
    };
    expect(textOf(await open('a').head)).toBe('by direct');
    expect(opens[0]?.attempt).toBe(1);
    expect([pods.refreshed, pods.results]).toEqual([['key/a'], ['sent', 'not_here']]);
  });

  test('is found at that pod again, and gets what is left of the time', async () => {
    const deadlines: number[] = [];
    const exit = pods.knows('a');
    pods.registry.refresh = async () => {
      await pods.clock.advance(300);
      await pods.owner.connect('a', (stream) => {
        deadlines.push(stream.open.deadlineMs);
        answerOk(stream);
      });
    };
    const exchange = open('a');
    expect((await exchange.head).statusCode).toBe(200);
    expect([deadlines, exit.inFlight]).toEqual([[4_700], 0]);
    expect(pods.results).toEqual(['sent', 'not_here', 'sent', 'answered']);
  });

  test('is looked for once only', async () => {
    const exit = pods.knows('a');
    expect(await failureOf(open('a').head)).toMatchObject({ code: 'AGENT_DISCONNECTED', execution: 'NOT_STARTED' });
    expect([pods.refreshed, exit.inFlight]).toEqual([['key/a'], 0]);
    expect(pods.results).toEqual(['sent', 'not_here', 'sent', 'not_here']);
  });

  test('is given up when the view knows it nowhere, or at a pod that cannot be reached', async () => {
    const exit = pods.knows('a');
    pods.registry.refresh = async () => pods.view.remove(exit);
    expect((await failureOf(open('a').head)).code).toBe('AGENT_DISCONNECTED');
    pods.knows('a');
    pods.registry.refresh = async () => {
      pods.mux.close(1001, 'gone');
    };
    expect((await failureOf(open('a').head)).code).toBe('AGENT_DISCONNECTED');
  });

  test('is not looked for when the pod says that the job may have started all the same', async () => {
    pods.knows('a');
    pods.owner.serve = (stream) =>
      stream.refuse({
        code: FailureCode.AGENT_DISCONNECTED,
        refusal: RefusalReason.UNSPECIFIED,
        execution: Execution.POSSIBLE,
        relay: RelayRefusal.NOT_HERE,
      });
    expect(await failureOf(open('a').head)).toMatchObject({ code: 'AGENT_DISCONNECTED', execution: 'POSSIBLE' });
    expect([pods.refreshed, pods.results]).toEqual([[], ['sent', 'not_here']]);
  });

  test('is looked for in the view as it is when the registry cannot be asked', async () => {
    pods.knows('a');
    pods.registry.refresh = () => Promise.reject(new Error('away'));
    expect((await failureOf(open('a').head)).code).toBe('AGENT_DISCONNECTED');
  });
});

describe('a link that breaks', () => {
  test('before the job left has started nothing', async () => {
    const exit = pods.knows('a');
    pods.callerLine.held = true;
    // Fills the socket, so that the next OPEN waits behind it.
    const large = open('a', {}, Buffer.alloc(1024 * 1024)).head;
    for (let i = 0; i < 8; i++) pods.mux.open(filler(), new Uint8Array(16 * 1024)).head.catch(() => {});
    const waiting = open('a');
    pods.callerLine.cut();
    expect(await failureOf(waiting.head)).toMatchObject({ code: 'AGENT_DISCONNECTED', execution: 'NOT_STARTED' });
    expect(await failureOf(large)).toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(exit.inFlight).toBe(0);
  });

  test('after the job left leaves it unknown, and the owner stops its agent', async () => {
    const ends: StreamEnd[] = [];
    await pods.owner.connect('a', (stream) => stream.onAbort((end) => ends.push(end)));
    const exit = pods.knows('a');
    const exchange = open('a');
    await arrived();
    pods.callerLine.cut();
    expect(await failureOf(exchange.head)).toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    await arrived();
    expect(ends).toMatchObject([{ kind: 'reset', code: ResetCode.CANCELLED }]);
    expect([exit.inFlight, exit.open, pods.results]).toEqual([0, false, ['sent', 'lost']]);
  });

  test('takes no further job', async () => {
    const exit = pods.knows('a');
    pods.callerLine.cut();
    expect(() => open('a')).toThrow(expect.objectContaining({ code: 'AGENT_DISCONNECTED', execution: 'NOT_STARTED' }));
    expect([exit.inFlight, pods.results]).toEqual([0, []]);
  });
});

function filler() {
  const { exitId: exit, jobId, attempt, idempotent, deadlineMs, traceparent } = request('a');
  return {
    exit,
    kind: { case: undefined },
    jobId,
    attempt,
    idempotent,
    deadlineMs,
    traceparent,
    isolationKey: new Uint8Array(),
  } as const;
}

describe('cancelling', () => {
  test.each([
    ['cancelled', ResetCode.CANCELLED, 'CANCELLED'],
    ['deadline', ResetCode.DEADLINE, 'DEADLINE_EXCEEDED'],
  ] as const)('by %s reaches the agent while it works', async (reason, reset, code) => {
    const ends: StreamEnd[] = [];
    await pods.owner.connect('a', (stream) => stream.onAbort((end) => ends.push(end)));
    const exit = pods.knows('a');
    const exchange = open('a');
    await arrived();
    exchange.cancel(reason);
    exchange.cancel(reason);
    expect(await failureOf(exchange.head)).toMatchObject({ code, execution: 'POSSIBLE' });
    await arrived();
    expect(ends).toMatchObject([{ kind: 'reset', code: reset }]);
    expect([exit.inFlight, pods.owner.intake.inFlight, pods.results]).toEqual([0, 0, ['sent']]);
  });

  test('before the job has left this pod takes it back', async () => {
    await pods.owner.connect('a', silence);
    const exit = pods.knows('a');
    const exchange = open('a');
    exchange.cancel('cancelled');
    expect((await failureOf(exchange.head)).code).toBe('CANCELLED');
    await arrived();
    expect([exit.inFlight, pods.owner.intake.inFlight]).toEqual([0, 0]);
  });

  test('reaches the agent in the middle of the answer, and of a request', async () => {
    const ends: StreamEnd[] = [];
    await pods.owner.connect('a', (stream) => {
      stream.onAbort((end) => ends.push(end));
      stream.accept({ ...head, timings, body: new Uint8Array(), end: false });
      stream.write(Buffer.alloc(1024 * 1024));
    });
    const exit = pods.knows('a');
    const exchange = open('a', {}, Buffer.alloc(1024 * 1024));
    await exchange.head;
    await exchange.read();
    exchange.cancel('cancelled');
    await arrived();
    expect(ends).toMatchObject([{ kind: 'reset', code: ResetCode.CANCELLED }]);
    expect([exit.inFlight, pods.owner.intake.inFlight]).toEqual([0, 0]);
  });

  test('while the view is refreshed ends at once, and sends nothing more', async () => {
    const refresh = Promise.withResolvers<void>();
    const exit = pods.knows('a');
    pods.registry.refresh = () => refresh.promise;
    const exchange = open('a');
    const failure = failureOf(exchange.head);
    await arrived();
    expect(pods.refreshed).toEqual(['key/a']);
    exchange.cancel('deadline');
    expect(await failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'NOT_STARTED' });
    refresh.resolve();
    await arrived();
    expect([exit.inFlight, pods.results]).toEqual([0, ['sent', 'not_here']]);
  });

  test('after the end does nothing', async () => {
    await pods.owner.connect('a', answerOk);
    const exit: RemoteExit = pods.knows('a');
    const exchange = open('a');
    await exchange.head;
    exchange.cancel('cancelled');
    expect(exit.inFlight).toBe(0);
  });
});

test('an exit of this pod is reached without a hop, and one that nobody knows not at all', async () => {
  await pods.here.connect('b', answerOk);
  const local = pods.here.fleet.byId('key/b/direct');
  if (local) pods.view.add(local);
  expect((await open('b').head).statusCode).toBe(200);
  expect(pods.results).toEqual([]);
  expect(pods.links.linkTo('key/nobody/direct')).toBeUndefined();
  pods.knows('c', new RemotePod('third', '127.0.0.1:9092', '0.1.0'));
  expect(pods.links.linkTo('key/c/direct')).toBeDefined();
});

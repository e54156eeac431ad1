// Two muxes on one line: what one end says, the other must understand; what a liar says must end in the right code.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import { FailureCode } from '../../gen/resproxy/v1/failure_pb.ts';
import { ManualClock, settle } from '../kit/manual-clock.ts';
import { TimerWheel } from '../kit/timer-wheel.ts';
import { BufferBudget } from './budget.ts';
import { decodeFrame, encodeFrame, type FrameBodyInit } from './codec.ts';
import { limits } from './limits.ts';
import { Mux } from './mux.ts';
import type { Agreement, ControlBody, MuxObserver, MuxOptions, MuxRole, OpenRequest } from './mux-api.ts';
import type { AcceptedStream, OpenedStream, StreamEnd } from './stream-api.ts';
import { StreamError } from './stream-api.ts';
import type { ConnectionEnd } from './transport.ts';
import { type PairedTransport, transportPair } from './transport-pair.ts';

const KiB = 1024;
const silent: MuxObserver = { bytes() {}, rtt() {}, reset() {}, blocked() {} };
const agreement: Agreement = {
  peerStreamWindow: limits.initialStreamWindowBytes,
  peerConnectionWindow: limits.initialConnectionWindowBytes,
  ownConnectionWindow: limits.initialConnectionWindowBytes,
  maxStreams: 100,
  idlePingMs: 15_000,
  busyPingMs: 5_000,
  idleDeadMs: 40_000,
  busyDeadMs: 10_000,
};
const request: OpenRequest = {
  exit: 'direct',
  kind: { case: undefined },
  deadlineMs: 1000,
  jobId: 'j',
  attempt: 1,
  idempotent: true,
  isolationKey: new Uint8Array(),
  traceparent: '',
};
const okHead = { statusCode: 200, headers: [], finalUrl: '', timings: undefined };
const nothing = new Uint8Array();

interface End {
  mux: Mux;
  line: PairedTransport;
  budget: BufferBudget;
  control: ControlBody[];
  ends: ConnectionEnd[];
}

function end(role: MuxRole, line: PairedTransport, clock: ManualClock, more: Partial<MuxOptions> = {}): End {
  const budget = more.budget ?? new BufferBudget(limits.bufferBudgetBytes);
  const control: ControlBody[] = [];
  const ends: ConnectionEnd[] = [];
  const mux = new Mux({
    role,
    transport: line,
    clock,
    random: () => 0.5,
    wheel: new TimerWheel(clock),
    observer: silent,
    onControl: (body) => control.push(body),
    onEnd: (reason) => ends.push(reason),
    ...more,
    budget,
  });
  return { mux, line, budget, control, ends };
}

function connect(onStream: (stream: AcceptedStream) => void = () => {}, podBudget?: BufferBudget) {
  const clock = new ManualClock();
  const [podLine, agentLine] = transportPair();
  const pod = end('opener', podLine, clock, podBudget ? { budget: podBudget } : {});
  const agent = end('acceptor', agentLine, clock, { onStream });
  pod.mux.start(agreement);
  agent.mux.start(agreement);
  return { clock, pod, agent };
}

async function readAll(stream: { read(): Promise<Uint8Array | undefined> }): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let part = await stream.read(); part; part = await stream.read()) parts.push(part);
  return Buffer.concat(parts);
}

async function endOf(promise: Promise<unknown>): Promise<StreamEnd> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StreamError)) throw new Error('expected a StreamError');
  return error.end;
}

function pattern(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed) & 255);
}

describe('an exchange', () => {
  test('of a small job is one frame each way', async () => {
    const { pod, agent } = connect((stream) => stream.accept({ ...okHead, body: Buffer.from('hello'), end: true }));
    await settle();
    const before = [pod.line.sent.length, agent.line.sent.length];
    const stream = pod.mux.open(request, Buffer.from('question'));
    const head = await stream.head;
    expect(Buffer.from(head.body).toString()).toBe('hello');
    expect(await stream.read()).toBeUndefined();
    expect([pod.line.sent.length, agent.line.sent.length].map((n, i) => n - (before[i] ?? 0))).toEqual([1, 1]);
    expect([pod.mux.streamCount, agent.mux.streamCount]).toEqual([0, 0]);
  });

  test('carries megabytes both ways, byte for byte, and leaves nothing buffered', async () => {
    const up = pattern(3_000_000, 1);
    const down = pattern(5_000_001, 2);
    const got: Promise<Buffer>[] = [];
    const { pod, agent } = connect((stream) => {
      got.push(
        readAll(stream).then((body) => {
          stream.accept({ ...okHead, body: nothing, end: false });
          stream.write(down);
          stream.end();
          return Buffer.concat([stream.open.body, body]);
        }),
      );
    });
    const stream = pod.mux.open(request, up);
    await stream.head;
    expect((await readAll(stream)).equals(down)).toBe(true);
    expect((await got[0])?.equals(up)).toBe(true);
    expect([pod.budget.usedBytes, agent.budget.usedBytes]).toEqual([0, 0]);
    expect([pod.mux.streamCount, agent.mux.streamCount]).toEqual([0, 0]);
  });

  test('holds no more bytes than its window while nobody reads, and tells the writer to pause', async () => {
    const streams: AcceptedStream[] = [];
    const { pod } = connect((stream) => streams.push(stream));
    const stream = pod.mux.open(request, nothing);
    await settle();
    streams[0]?.accept({ ...okHead, body: nothing, end: false });
    expect(streams[0]?.write(pattern(4_000_000, 3))).toBe(false);
    await stream.head;
    for (let i = 0; i < 20; i++) await settle();
    expect(pod.budget.usedBytes).toBe(limits.initialStreamWindowBytes);
    stream.reset(ResetCode.CANCELLED);
    expect(pod.budget.usedBytes).toBe(0);
  });

  test('of an unread stream does not hold up the others', async () => {
    const { pod } = connect((stream) => {
      stream.accept({ ...okHead, body: nothing, end: false });
      stream.write(pattern(1_000_000, 4));
      stream.end();
    });
    const unread = Array.from({ length: 5 }, () => pod.mux.open(request, nothing));
    const read = Array.from({ length: 5 }, () => pod.mux.open(request, nothing));
    const bodies = await Promise.all(read.map((stream) => readAll(stream)));
    expect(bodies.map((body) => body.length)).toEqual(Array(5).fill(1_000_000));
    expect(pod.budget.usedBytes).toBe(5 * limits.initialStreamWindowBytes);
    for (const stream of unread) stream.reset(ResetCode.CANCELLED);
    expect(pod.budget.usedBytes).toBe(0);
  });

  test('refused by the agent tells why', async () => {
    const { pod } = connect((stream) => stream.refuse({ code: FailureCode.DNS_NXDOMAIN, refusal: 0, execution: 1 }));
    const why = await endOf(pod.mux.open(request, nothing).head);
    expect(why).toMatchObject({ kind: 'refused', error: { code: FailureCode.DNS_NXDOMAIN, execution: 1 } });
    expect(pod.mux.streamCount).toBe(0);
  });

  test('answered while the agent waits for more of its request ends that wait', async () => {
    const reads: Promise<Uint8Array | undefined>[] = [];
    const { pod } = connect((stream) => {
      reads.push(stream.read());
      stream.accept({ ...okHead, body: nothing, end: true });
    });
    await pod.mux.open(request, pattern(100 * KiB, 1)).head;
    expect(await reads[0]).toBeUndefined();
  });

  test('takes the rest of a request whose body is still arriving', async () => {
    const bodies: Promise<Buffer>[] = [];
    const { pod } = connect((stream) => {
      expect([stream.open.end, stream.open.bodyBytes]).toEqual([false, 12]);
      bodies.push(readAll(stream).then((rest) => Buffer.concat([stream.open.body, rest])));
      stream.accept({ ...okHead, body: nothing, end: false });
    });
    const stream = pod.mux.open(request, Buffer.from('first '), 12);
    await stream.head;
    stream.write(Buffer.from('second'));
    stream.end();
    expect(String(await bodies[0])).toBe('first second');
  });

  test('tells how long the whole body of a request is when more of it follows, and only then', async () => {
    const lengths: (number | undefined)[] = [];
    const { pod } = connect((stream) => lengths.push(stream.open.bodyBytes));
    pod.mux.open(request, pattern(16 * KiB, 1));
    pod.mux.open(request, pattern(16 * KiB + 1, 1));
    await settle();
    expect(lengths).toEqual([undefined, 16 * KiB + 1]);
  });

  test('answered before its request was whole is over, and late frames of it are no fault', async () => {
    const { pod, agent } = connect((stream) => stream.accept({ ...okHead, statusCode: 413, body: nothing, end: true }));
    const stream = pod.mux.open(request, pattern(2_000_000, 5));
    expect((await stream.head).statusCode).toBe(413);
    for (let i = 0; i < 10; i++) await settle();
    expect([pod.mux.ended, agent.mux.ended]).toEqual([false, false]);
  });
});

describe('the order of what leaves', () => {
  test('puts a head and a cancel before bulk that waits', async () => {
    const streams: AcceptedStream[] = [];
    const { pod, agent } = connect((stream) => streams.push(stream));
    const opened = [pod.mux.open(request, nothing), pod.mux.open(request, nothing)];
    await settle();
    agent.line.held = true;
    streams[0]?.accept({ ...okHead, body: nothing, end: false });
    streams[0]?.write(pattern(200_000, 6));
    const bulkFrames = agent.line.sent.length;
    streams[1]?.accept({ ...okHead, body: nothing, end: true });
    agent.line.release();
    await opened[1]?.head;
    const after = agent.line.sent.slice(bulkFrames).map((frame) => decodeFrame(frame).body.case);
    expect(after[0]).toBe('openOk');
  });

  test('gives every stream its turn, so that a long body does not starve a short one', async () => {
    const streams: AcceptedStream[] = [];
    const { pod, agent } = connect((stream) => streams.push(stream));
    for (let i = 0; i < 3; i++) pod.mux.open(request, nothing);
    await settle();
    agent.line.held = true;
    for (const stream of streams) {
      stream.accept({ ...okHead, body: nothing, end: false });
      stream.write(pattern(100 * KiB, 7));
    }
    agent.line.release();
    for (let i = 0; i < 10; i++) await settle();
    const order = agent.line.sent.map((frame) => decodeFrame(frame)).filter((frame) => frame.body.case === 'data');
    expect(order.slice(2, 8).map((frame) => frame.streamId)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test('hands the socket at most its buffer and one frame', async () => {
    const streams: AcceptedStream[] = [];
    const { pod, agent } = connect((stream) => streams.push(stream));
    for (let i = 0; i < 8; i++) pod.mux.open(request, nothing);
    await settle();
    agent.line.held = true;
    for (const stream of streams) {
      stream.accept({ ...okHead, body: nothing, end: false });
      stream.write(pattern(200 * KiB, 8));
    }
    expect(agent.line.bufferedBytes).toBeLessThan(limits.socketBufferBytes + limits.maxDataBytes + 100);
  });
});

describe('the end of a stream', () => {
  test('by the pod reaches the agent before and after the head, and late frames are no fault', async () => {
    const ends: StreamEnd[] = [];
    const { pod, agent } = connect((stream) => {
      stream.onAbort((why) => ends.push(why));
      if (stream.id === 2) stream.accept({ ...okHead, body: nothing, end: false });
      if (stream.id === 2) stream.write(pattern(500_000, 9));
    });
    const early = pod.mux.open(request, nothing);
    const late = pod.mux.open(request, nothing);
    await late.head;
    early.reset(ResetCode.DEADLINE);
    late.reset(ResetCode.CANCELLED);
    expect(await endOf(early.head)).toMatchObject({ kind: 'reset', code: ResetCode.DEADLINE, local: true });
    expect(await endOf(late.read())).toMatchObject({ kind: 'reset', local: true });
    await settle();
    await settle();
    expect(ends).toMatchObject([
      { kind: 'reset', code: ResetCode.DEADLINE, local: false },
      { kind: 'reset', code: ResetCode.CANCELLED, local: false },
    ]);
    expect([pod.mux.ended, agent.mux.ended]).toEqual([false, false]);
  });

  test('by the agent after its head reaches a waiting reader with the reason', async () => {
    const { pod } = connect((stream) => {
      stream.accept({ ...okHead, body: nothing, end: false });
      stream.reset(ResetCode.FAILED, FailureCode.RESPONSE_INCOMPLETE);
    });
    const stream = pod.mux.open(request, nothing);
    await stream.head;
    expect(await endOf(stream.read())).toMatchObject({
      kind: 'reset',
      failure: FailureCode.RESPONSE_INCOMPLETE,
      local: false,
    });
  });

  test('of more streams than are remembered still forgives the late frames of all of them', async () => {
    const count = limits.maxRememberedResets + 10;
    const accepted: AcceptedStream[] = [];
    const clock = new ManualClock();
    const [podLine, agentLine] = transportPair();
    const pod = end('opener', podLine, clock);
    const agent = end('acceptor', agentLine, clock, { onStream: (stream) => accepted.push(stream) });
    pod.mux.start({ ...agreement, maxStreams: count });
    agent.mux.start({ ...agreement, maxStreams: count });
    const opened = Array.from({ length: count }, () => pod.mux.open(request, nothing));
    await settle();
    agentLine.held = true;
    for (const stream of accepted) stream.accept({ ...okHead, body: nothing, end: true });
    for (const stream of opened) {
      stream.head.catch(() => {});
      stream.reset(ResetCode.DEADLINE);
    }
    agentLine.release();
    await settle();
    expect([accepted.length, pod.mux.ended]).toEqual([count, false]);
  });

  test('comes to every stream when the line breaks, saying whether the agent may know of it', async () => {
    const { pod } = connect();
    const sent = pod.mux.open(request, nothing);
    pod.line.held = true;
    for (let i = 0; i < 6; i++) pod.mux.open(request, new Uint8Array(16 * KiB)).head.catch(() => {});
    const queued = pod.mux.open(request, nothing);
    pod.line.cut();
    expect(await endOf(sent.head)).toMatchObject({ kind: 'lost', sent: true });
    expect(await endOf(queued.head)).toMatchObject({ kind: 'lost', sent: false });
    expect(pod.ends).toEqual([{ code: 1006, reason: '', local: false }]);
    expect(pod.mux.ended).toBe(true);
  });

  test('comes at once when this end closes, so that no answer gets out after a revocation', async () => {
    const { pod, agent } = connect();
    const stream = pod.mux.open(request, nothing);
    await settle();
    agent.mux.send({ case: 'drainAck', value: { $typeName: 'resproxy.v1.DrainAck' } });
    pod.mux.close(4401, 'revoked');
    expect(await endOf(stream.head)).toMatchObject({ kind: 'lost', end: { code: 4401, local: true } });
    await settle();
    expect(pod.control).toEqual([]);
    expect(pod.ends.length).toBe(1);
    expect(agent.ends).toMatchObject([{ code: 4401, local: false }]);
  });

  test('tells an agent that a stream of its own was shed, since its origin must be let go', async () => {
    const ends: StreamEnd[] = [];
    const { pod, agent } = connect((stream) => stream.onAbort((why) => ends.push(why)));
    pod.mux.open(request, pattern(1_000_000, 1)).head.catch(() => {});
    await settle();
    await settle();
    expect(agent.budget.usedBytes).toBeGreaterThan(0);
    agent.budget.take({ bufferedBytes: 0, shed() {} }, limits.bufferBudgetBytes);
    expect(ends).toMatchObject([{ kind: 'reset', code: ResetCode.STALLED, local: true }]);
  });

  test('comes to all streams when an end has no time left, and the connection goes on', async () => {
    const { pod, agent } = connect((stream) => stream.accept({ ...okHead, body: nothing, end: false }));
    const streams = [pod.mux.open(request, nothing), pod.mux.open(request, nothing)];
    await Promise.all(streams.map((stream) => stream.head));
    agent.mux.resetStreams(ResetCode.SHUTDOWN);
    for (const stream of streams)
      expect(await endOf(stream.read())).toMatchObject({ code: ResetCode.SHUTDOWN, local: false });
    expect([pod.mux.ended, agent.mux.streamCount]).toEqual([false, 0]);
  });

  test('sheds the largest unread stream when the buffer budget is spent, and only that', async () => {
    const streams: AcceptedStream[] = [];
    const { pod } = connect((stream) => streams.push(stream), new BufferBudget(150 * KiB));
    const [small, large] = [pod.mux.open(request, nothing), pod.mux.open(request, nothing)];
    await settle();
    streams.forEach((stream, i) => {
      stream.accept({ ...okHead, body: nothing, end: false });
      stream.write(pattern(i === 0 ? 50 * KiB : 120 * KiB, 1));
    });
    await settle();
    await settle();
    expect(await endOf((large as OpenedStream).read())).toMatchObject({
      kind: 'reset',
      code: ResetCode.STALLED,
      local: true,
    });
    expect((await small?.read())?.length).toBeGreaterThan(0);
  });
});

describe('a liar', () => {
  type Lie = readonly [streamId: number, body: FrameBodyInit];
  const head: Lie = [1, { case: 'openOk', value: { statusCode: 200 } }];
  const lastHead: Lie = [1, { case: 'openOk', value: { statusCode: 200, end: true } }];
  const byte: Lie = [1, { case: 'data', value: { bytes: Uint8Array.of(1) } }];
  const full: Lie = [1, { case: 'data', value: { bytes: new Uint8Array(32 * KiB) } }];
  const lies: [string, number, readonly Lie[]][] = [
    ['answers a stream that was never opened', 4000, [[9, { case: 'openOk', value: okHead }]]],
    ['answers twice', 4000, [head, head]],
    ['sends after the end', 4000, [lastHead, byte]],
    ['answers and then refuses', 4000, [head, [1, { case: 'openErr', value: {} }]]],
    ['sends body before the head', 4000, [byte]],
    ['sends data frames without data', 4000, [head, [1, { case: 'data', value: {} }]]],
    ['sends beyond its credit', 4400, [head, ...Array<Lie>(9).fill(full)]],
    ['gives credit of nothing', 4400, [[1, { case: 'credit', value: { bytes: 0 } }]]],
    ['gives more credit than a window holds', 4400, [[0, { case: 'credit', value: { bytes: 2 ** 31 } }]]],
    ['opens a stream itself', 4000, [[2, { case: 'open', value: {} }]]],
    ['sends a stream frame outside a stream', 4000, [[0, { case: 'reset', value: {} }]]],
    ['sends a connection frame on a stream', 4000, [[1, { case: 'ping', value: {} }]]],
    [
      'sends a piece of body that is too large',
      4000,
      [head, [1, { case: 'data', value: { bytes: new Uint8Array(33 * KiB) } }]],
    ],
    [
      'sends a frame that is too large',
      4413,
      [[1, { case: 'data', value: { bytes: new Uint8Array(limits.maxFrameBytes) } }]],
    ],
  ];

  test.each(lies)('that %s is closed with %i', async (_, code, said) => {
    const { pod, agent } = connect();
    const stream = pod.mux.open(request, nothing);
    stream.head.catch(() => {});
    await settle();
    for (const [streamId, body] of said) agent.line.send(encodeFrame(streamId, body));
    for (let i = 0; i < 5; i++) await settle();
    expect(pod.ends).toMatchObject([{ code, local: true }]);
    expect(pod.mux.streamCount).toBe(0);
  });

  test('that sends garbage is closed with 4000', async () => {
    const { pod, agent } = connect();
    agent.line.send(Uint8Array.of(255, 255, 255, 255));
    await settle();
    expect(pod.ends).toMatchObject([{ code: 4000, local: true }]);
  });

  test('that never reads what it asks for is closed as overloaded', async () => {
    const clock = new ManualClock();
    const [podLine, agentLine] = transportPair();
    const pod = end('opener', podLine, clock, { maxControlQueueBytes: 10_000 });
    const agent = end('acceptor', agentLine, clock);
    pod.mux.start(agreement);
    agent.mux.start(agreement);
    pod.line.held = true;
    for (let i = 0; i < 200_000 && !pod.mux.ended; i++)
      pod.mux.onFrame(encodeFrame(0, { case: 'ping', value: { nonce: i } }));
    expect(pod.mux.ended).toBe(true);
    await settle();
    expect(pod.ends).toMatchObject([{ code: 4429 }]);
    expect(agent.ends.length).toBe(1);
  });

  test('of a later version is heard out: unknown frames are skipped on the connection and answered on a stream', async () => {
    const { pod, agent } = connect();
    const stream = pod.mux.open(request, nothing);
    await settle();
    const unknownField = Uint8Array.of(0xf2, 0x3f, 0x01, 0x00);
    agent.line.send(unknownField);
    agent.line.send(Uint8Array.of(0x08, 0x01, ...unknownField));
    expect(await endOf(stream.head)).toMatchObject({ kind: 'reset', code: ResetCode.UNSUPPORTED, local: true });
    expect(pod.mux.ended).toBe(false);
  });
});

describe('the greeting', () => {
  test('lets no stream through before it is settled', async () => {
    const clock = new ManualClock();
    const [podLine, agentLine] = transportPair();
    const pod = end('opener', podLine, clock);
    agentLine.send(encodeFrame(1, { case: 'openOk', value: {} }));
    await settle();
    expect(pod.ends).toMatchObject([{ code: 4000 }]);
  });

  test('more streams than agreed are refused one by one', async () => {
    const accepted: AcceptedStream[] = [];
    const clock = new ManualClock();
    const [podLine, agentLine] = transportPair();
    const pod = end('opener', podLine, clock);
    const agent = end('acceptor', agentLine, clock, { onStream: (stream) => accepted.push(stream) });
    pod.mux.start(agreement);
    agent.mux.start({ ...agreement, maxStreams: 2 });
    const streams = [1, 2, 3].map(() => pod.mux.open(request, nothing));
    expect(await endOf(streams[2]?.head ?? Promise.resolve())).toMatchObject({
      kind: 'reset',
      code: ResetCode.REFUSED,
    });
    expect(accepted.length).toBe(2);
  });

  test('a silent end is closed and its streams fail as sent', async () => {
    const { clock, pod, agent } = connect();
    const stream = pod.mux.open(request, nothing);
    const failed = endOf(stream.head);
    await settle();
    agent.line.held = true;
    await clock.advance(11_000);
    expect(await failed).toMatchObject({ kind: 'lost', end: { code: 4408 }, sent: true });
    expect(pod.mux.ended).toBe(true);
  });
});

describe('the stream machine', () => {
  /** What either end may do to a stream at any moment. `answered` says whether the agent has given its one answer. */
  interface Exchange {
    readonly pod: OpenedStream;
    readonly agent: AcceptedStream;
    answered: boolean;
  }
  type Action = (exchange: Exchange, bytes: number) => void;

  function answer(exchange: Exchange, act: () => void): void {
    if (exchange.answered) return;
    exchange.answered = true;
    act();
  }
  const ignore = (): void => {};
  const actions: Record<string, Action> = {
    podResets: ({ pod }) => pod.reset(ResetCode.CANCELLED),
    podReads: ({ pod }) => void pod.read().catch(ignore),
    agentReads: ({ agent }) => void agent.read().catch(ignore),
    agentResets: ({ agent }) => agent.reset(ResetCode.SHUTDOWN),
    agentRefuses: (exchange) => answer(exchange, () => exchange.agent.refuse({ code: 1, refusal: 0, execution: 1 })),
    agentAnswersAll: (exchange) =>
      answer(exchange, () => exchange.agent.accept({ ...okHead, body: nothing, end: true })),
    agentAccepts: (exchange) => answer(exchange, () => exchange.agent.accept({ ...okHead, body: nothing, end: false })),
    agentWrites: ({ agent, answered }, bytes) => answered && agent.write(pattern(bytes, bytes)),
    agentEnds: ({ agent, answered }) => answered && agent.end(),
  };

  test('ends every stream exactly once and holds nothing afterwards, whatever both ends do', async () => {
    const step = fc.record({
      stream: fc.nat({ max: 3 }),
      action: fc.constantFrom(...Object.keys(actions)),
      bytes: fc.integer({ min: 1, max: 400_000 }),
      settles: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, cutAtEnd) => {
        const accepted: AcceptedStream[] = [];
        const { pod, agent } = connect((stream) => accepted.push(stream));
        const opened = [0, 1, 2, 3].map((i) => pod.mux.open(request, pattern(i * 30_000, i)));
        const heads = opened.map((stream) => stream.head.then(ignore, ignore));
        await settle();
        const exchanges = opened.map((stream, i) => ({
          pod: stream,
          agent: accepted[i] as AcceptedStream,
          answered: false,
        }));
        for (const { stream, action, bytes, settles } of steps) {
          actions[action]?.(exchanges[stream] as Exchange, bytes);
          if (settles) await settle();
        }
        for (let i = 0; i < 4; i++) await settle();
        expect([pod.mux.ended, agent.mux.ended]).toEqual([false, false]);
        if (cutAtEnd) pod.line.cut();
        for (const stream of [...opened, ...accepted]) stream.reset(ResetCode.CANCELLED);
        await settle();
        await Promise.all(heads);
        expect([pod.mux.streamCount, agent.mux.streamCount]).toEqual([0, 0]);
        expect([pod.budget.usedBytes, agent.budget.usedBytes]).toEqual([0, 0]);
      }),
      { numRuns: 100 },
    );
  });
});

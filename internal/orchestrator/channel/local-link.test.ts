import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { type OpenOk, OpenOkSchema, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { type OpenedStream, StreamError } from '../../wire/stream-api.ts';
import type { AgentStatus, ExitState } from '../registry/agents.ts';
import { LiveExit } from '../registry/live-exit.ts';
import { anyTarget } from '../route/candidate.ts';
import type { Exchange, ExchangeRequest } from './link.ts';
import { type LinkHost, LocalLink } from './local-link.ts';

class FakeStream implements OpenedStream {
  readonly id = 1;
  readonly headGiven = Promise.withResolvers<OpenOk>();
  readonly bodies: (Uint8Array | undefined | Error)[] = [];
  readonly resets: ResetCode[] = [];

  get head(): Promise<OpenOk> {
    return this.headGiven.promise;
  }

  async read(): Promise<Uint8Array | undefined> {
    const next = this.bodies.shift();
    if (next instanceof Error) throw next;
    return next;
  }

  write(): boolean {
    return true;
  }

  async writable(): Promise<void> {}
  end(): void {}

  reset(code: ResetCode): void {
    this.resets.push(code);
    this.headGiven.reject(new StreamError({ kind: 'reset', code, failure: 0, local: true }));
  }

  answer(overrides: Partial<Pick<OpenOk, 'statusCode' | 'body' | 'end'>> = {}): void {
    this.headGiven.resolve(create(OpenOkSchema, { statusCode: 200, end: true, ...overrides }));
  }
}

class FakeHost implements LinkHost {
  takesJobs = true;
  fenced = false;
  hasFreeStream = true;
  ended = 0;
  stream = new FakeStream();

  openStream(): OpenedStream {
    this.stream = new FakeStream();
    return this.stream;
  }

  exchangeEnded(): void {
    this.ended++;
  }
}

const lost = new StreamError({ kind: 'lost', end: { code: 1006, reason: '', local: false }, sent: true });

function exitOf(state: ExitState = 'available', capacity = 2): LiveExit {
  const place = { country: '', region: '', city: '', asn: 0, labels: new Map(), tenants: new Set<string>() };
  return new LiveExit({ exitId: 'k/a/e', agentId: 'k/a', name: 'e', kind: 'direct', state, capacity, ...place });
}

function requestOf(maxResponseBytes = 0): ExchangeRequest {
  const body = new Uint8Array();
  const request = { method: 'GET', url: 'http://a/', headers: [], body, maxRedirects: 0, decompress: false };
  const job = { jobId: 'j', attempt: 1, tenant: 't', idempotent: true, deadlineMs: 1000, traceparent: '' };
  return { exitId: 'k/a/e', target: anyTarget, tried: [], ...job, request: { ...request, maxResponseBytes } };
}

let host: FakeHost;
let exit: LiveExit;
let link: LocalLink;

beforeEach(() => {
  host = new FakeHost();
  exit = exitOf();
  link = new LocalLink(host, exit);
});

function thrownBy(open: () => Exchange): object {
  try {
    open();
    return {};
  } catch (error) {
    const { code, execution, refusal } = error as { code: string; execution: string; refusal: AgentStatus };
    return { code, execution, refusal };
  }
}

describe('admission', () => {
  test('takes jobs up to the capacity, and one more when one has ended', async () => {
    const first = link.open(requestOf());
    const firstStream = host.stream;
    link.open(requestOf());
    expect(thrownBy(() => link.open(requestOf()))).toMatchObject({ code: 'EXIT_BUSY', execution: 'NOT_STARTED' });
    firstStream.answer();
    await first.head;
    expect(exit.inFlight).toBe(1);
    link.open(requestOf());
    expect(exit.inFlight).toBe(2);
  });

  test.each<[ExitState, object]>([
    ['paused', { code: 'EXIT_REFUSED', refusal: 'PAUSED' }],
    ['quota', { code: 'EXIT_REFUSED', refusal: 'QUOTA' }],
    ['cooling', { code: 'EXIT_BUSY' }],
  ])('refuses for an exit that is %s', (state, failure) => {
    link.renew(exitOf(state));
    expect(thrownBy(() => link.open(requestOf()))).toMatchObject({ ...failure, execution: 'NOT_STARTED' });
  });

  test('refuses when the connection takes no jobs, has no free stream, or no longer offers the exit', () => {
    const gone = { code: 'AGENT_DISCONNECTED', execution: 'NOT_STARTED' };
    host.hasFreeStream = false;
    expect(thrownBy(() => link.open(requestOf()))).toMatchObject({ code: 'EXIT_BUSY', execution: 'NOT_STARTED' });
    host.takesJobs = false;
    expect(thrownBy(() => link.open(requestOf()))).toMatchObject(gone);
    host.takesJobs = true;
    link.withdraw();
    expect(thrownBy(() => link.open(requestOf()))).toMatchObject(gone);
    expect(exit.inFlight).toBe(0);
  });

  test('counts what runs when the exit is offered anew', async () => {
    const exchange = link.open(requestOf());
    const renewed = exitOf('available', 8);
    exit.recentSuccess = 0.5;
    link.renew(renewed);
    expect(renewed).toMatchObject({ inFlight: 1, recentSuccess: 0.5 });
    host.stream.answer();
    await exchange.head;
    expect(renewed.inFlight).toBe(0);
  });
});

describe('exchange', () => {
  test('gives the head, with timings even when the agent has none', async () => {
    const exchange = link.open(requestOf());
    host.stream.answer({ statusCode: 404, body: Buffer.from('gone') });
    expect(await exchange.head).toEqual({
      statusCode: 404,
      headers: [],
      finalUrl: '',
      timings: { dnsUs: 0, connectUs: 0, tlsUs: 0, firstByteUs: 0 },
      body: Buffer.from('gone'),
      end: true,
      exitId: '',
    });
  });

  test('gives its place back at the end of the body, once', async () => {
    const exchange = link.open(requestOf());
    host.stream.bodies.push(Buffer.from('a'));
    host.stream.answer({ end: false });
    await exchange.head;
    expect(await exchange.read()).toEqual(Buffer.from('a'));
    expect(exit.inFlight).toBe(1);
    expect(await exchange.read()).toBeUndefined();
    expect(await exchange.read()).toBeUndefined();
    exchange.cancel('cancelled');
    expect([exit.inFlight, host.ended, host.stream.resets]).toEqual([0, 1, []]);
  });

  test('gives its place back when there is no answer', async () => {
    const exchange = link.open(requestOf());
    host.stream.headGiven.reject(lost);
    await expect(exchange.head).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect([exit.inFlight, host.ended]).toEqual([0, 1]);
  });

  test('gives its place back when the answer breaks off', async () => {
    const exchange = link.open(requestOf());
    host.stream.bodies.push(lost);
    host.stream.answer({ end: false });
    await exchange.head;
    await expect(exchange.read()).rejects.toMatchObject({ code: 'AGENT_LOST' });
    expect([exit.inFlight, host.ended]).toEqual([0, 1]);
  });

  test.each([
    ['cancelled', ResetCode.CANCELLED, 'CANCELLED'],
    ['deadline', ResetCode.DEADLINE, 'DEADLINE_EXCEEDED'],
  ] as const)('ends at once by %s, and again does nothing', async (reason, reset, code) => {
    const exchange = link.open(requestOf());
    exchange.cancel(reason);
    exchange.cancel(reason);
    expect(host.stream.resets).toEqual([reset]);
    expect([exit.inFlight, host.ended]).toEqual([0, 1]);
    await expect(exchange.head).rejects.toMatchObject({ code });
  });

  test('fails as INTERNAL, and stops the agent, when the head is a lie', async () => {
    const exchange = link.open(requestOf());
    host.stream.answer({ statusCode: 101 });
    await expect(exchange.head).rejects.toMatchObject({ code: 'INTERNAL', execution: 'POSSIBLE' });
    expect(host.stream.resets).toEqual([ResetCode.CANCELLED]);
    expect(exit.inFlight).toBe(0);
  });

  test.each([
    ['in the head', Buffer.alloc(11), []],
    ['behind it', Buffer.alloc(6), [Buffer.alloc(5)]],
  ])('fails when the agent sends more than was asked for, %s', async (_where, body, bodies) => {
    const exchange = link.open(requestOf(10));
    host.stream.bodies.push(...bodies);
    host.stream.answer({ body, end: false });
    const all = exchange.head.then(() => exchange.read());
    await expect(all).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE', execution: 'DONE' });
    expect([exit.inFlight, host.stream.resets]).toEqual([0, [ResetCode.CANCELLED]]);
  });

  test('takes exactly as much as was asked for', async () => {
    const exchange = link.open(requestOf(10));
    host.stream.answer({ body: Buffer.alloc(10) });
    expect((await exchange.head).body).toHaveLength(10);
  });

  test('hands out nothing once its connection is fenced, not even what has arrived', async () => {
    const headless = link.open(requestOf());
    host.stream.answer();
    const answered = link.open(requestOf());
    host.stream.bodies.push(Buffer.from('secret'));
    host.stream.answer({ end: false });
    await answered.head;
    await headless.head;
    const late = link.open(requestOf());
    host.stream.answer();
    host.fenced = true;
    await expect(late.head).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    await expect(answered.read()).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(exit.inFlight).toBe(0);
  });
});

import { describe, expect, test } from '@jest/globals';
import { AttemptFailure, JobFailure } from '../failure/failures.ts';
import { dispatching, job, kept } from './dispatch-fixture.ts';
import { answers, fails, silence, stall } from './fake-links.ts';
import type { JobEvent } from './job.ts';

const never = new AbortController().signal;
const lost = fails(new AttemptFailure('AGENT_LOST', 'POSSIBLE'));
const broken = new AttemptFailure('RESPONSE_INCOMPLETE', 'POSSIBLE');

/** Reads on until the end, or the failure. */
async function drained(events: AsyncIterable<JobEvent>): Promise<{ told: string[]; failure: unknown }> {
  const told: string[] = [];
  try {
    for await (const event of events) told.push(inWords(event));
    return { told, failure: undefined };
  } catch (failure) {
    return { told, failure };
  }
}

function inWords(event: JobEvent): string {
  switch (event.type) {
    case 'dispatched':
      return `dispatched ${event.attempt}`;
    case 'retrying':
      return `retrying ${event.attempt} ${event.code}`;
    case 'head':
      return `head ${event.statusCode}`;
    case 'body':
      return `body ${Buffer.from(event.bytes).toString()}`;
    case 'summary':
      return `summary ${event.bodyBytes}`;
  }
}

async function next(events: AsyncIterator<JobEvent>): Promise<string> {
  const { done, value } = (await events.next()) as IteratorResult<JobEvent, undefined>;
  return done ? 'end' : inWords(value);
}

describe('a streamed job', () => {
  test('tells where it was sent, the head, the body as it comes, and a summary', async () => {
    const { dispatcher, links, ended } = dispatching([answers('one', 'two')]);
    expect(await drained(dispatcher.stream(job(), never))).toEqual({
      told: ['dispatched 1', 'head 200', 'body one', 'body two', 'summary 6'],
      failure: undefined,
    });
    expect(links.cancels).toEqual([undefined]);
    expect(ended).toEqual(['OK']);
    expect(dispatcher.inFlight).toBe(0);
  });

  test('cuts the body into pieces that fit a message', async () => {
    const { dispatcher } = dispatching([answers('123456789', 'abcdefghi')]);
    const { told } = await drained(dispatcher.stream(job(), never));
    expect(told.slice(2, -1)).toEqual(['body 12345678', 'body 9', 'body abcdefgh', 'body i']);
  });

  test('has no body event when there is no body', async () => {
    const { dispatcher } = dispatching([answers('')]);
    const { told } = await drained(dispatcher.stream(job(), never));
    expect(told).toEqual(['dispatched 1', 'head 200', 'summary 0']);
  });

  test('may be longer than a whole answer', async () => {
    const { dispatcher } = dispatching([answers('', 'x'.repeat(100))]);
    expect((await drained(dispatcher.stream(job(), never))).told.at(-1)).toBe('summary 100');
  });

  test('reads on only when it is asked for more', async () => {
    const { dispatcher, links, pass } = dispatching([answers('one', 'two', 'three')]);
    const events = dispatcher.stream(job(), never)[Symbol.asyncIterator]();
    for (const expected of ['dispatched 1', 'head 200', 'body one']) expect(await next(events)).toBe(expected);
    await pass(10);
    expect(links.exchanges[0]?.reads).toBe(0);
    expect(await next(events)).toBe('body two');
    expect(links.exchanges[0]?.reads).toBe(1);
    await events.return?.();
  });

  test('tells of each attempt that failed before the head', async () => {
    const { dispatcher, pass } = dispatching([lost, answers('')]);
    const reading = drained(dispatcher.stream(job(), never));
    await pass(100);
    expect((await reading).told).toEqual([
      'dispatched 1',
      'retrying 1 AGENT_LOST',
      'dispatched 2',
      'head 200',
      'summary 0',
    ]);
  });

  test('tells of a search for an exit that found none', async () => {
    const { dispatcher, pass } = dispatching([answers('')], 0);
    const reading = drained(dispatcher.stream(job(), never));
    await pass(300);
    const { told, failure } = await reading;
    expect(told).toEqual(['retrying 1 NO_EXIT_AVAILABLE', 'retrying 2 NO_EXIT_AVAILABLE']);
    expect(failure).toMatchObject({ code: 'NO_EXIT_AVAILABLE' });
  });

  test('is not tried again once the head is out, even when it is idempotent', async () => {
    const { dispatcher, links } = dispatching([answers('half', broken)]);
    const { told, failure } = await drained(dispatcher.stream(job(), never));
    expect(told).toEqual(['dispatched 1', 'head 200', 'body half']);
    expect(failure).toBeInstanceOf(JobFailure);
    expect(failure).toMatchObject({ code: 'RESPONSE_INCOMPLETE', attempts: [{ code: 'RESPONSE_INCOMPLETE' }] });
    expect(links.sent).toHaveLength(1);
  });

  test('has an unknown outcome when it is not idempotent and breaks off', async () => {
    const { dispatcher } = dispatching([answers('half', broken)]);
    const { failure } = await drained(dispatcher.stream(job({ idempotent: false }), never));
    expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  test("is cut off at the caller's bound", async () => {
    const { dispatcher, links } = dispatching([answers('1234', '5678', stall)]);
    const { told, failure } = await drained(dispatcher.stream(job({}, { maxResponseBytes: 7 }), never));
    expect(told).toEqual(['dispatched 1', 'head 200', 'body 1234']);
    expect(failure).toMatchObject({ code: 'RESPONSE_TOO_LARGE', execution: 'DONE' });
    expect(links.cancels).toEqual(['cancelled']);
  });
});

describe('a caller that leaves a streamed job', () => {
  test.each([
    ['after it was sent', 1],
    ['after the head', 2],
    ['in the body', 3],
  ])('by leaving the loop %s, ends the exchange', async (_, after) => {
    const { dispatcher, links, clock, ended } = dispatching([answers('one', stall)]);
    let seen = 0;
    for await (const event of dispatcher.stream(job(), never)) {
      expect(['dispatched', 'head', 'body']).toContain(event.type);
      if (++seen === after) break;
    }
    expect(links.cancels).toEqual(['cancelled']);
    expect(ended).toEqual(['CANCELLED']);
    expect(dispatcher.inFlight).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('by its signal, ends the exchange though nobody reads any more', async () => {
    const { dispatcher, links, clock } = dispatching([answers('one', 'two')]);
    const caller = new AbortController();
    const events = dispatcher.stream(job(), caller.signal)[Symbol.asyncIterator]();
    await next(events);
    await next(events);
    caller.abort();
    expect(links.cancels).toEqual(['cancelled']);
    expect(dispatcher.inFlight).toBe(0);
    expect(clock.pending).toBe(0);
    await expect(next(events)).resolves.toBe('body one');
    await expect(next(events)).rejects.toMatchObject({ code: 'CANCELLED', execution: 'DONE' });
  });

  test('by its signal, ends a read that waits', async () => {
    const { dispatcher, pass } = dispatching([answers('one', stall)]);
    const caller = new AbortController();
    const reading = drained(dispatcher.stream(job(), caller.signal));
    await pass(10);
    caller.abort();
    const { told, failure } = await reading;
    expect(told).toEqual(['dispatched 1', 'head 200', 'body one']);
    expect(failure).toMatchObject({ code: 'CANCELLED' });
  });
});

test('the deadline ends a streamed job whose reader stalls', async () => {
  const { dispatcher, links, pass } = dispatching([answers('one', 'two')]);
  const events = dispatcher.stream(job({ deadlineAt: 500 }), never)[Symbol.asyncIterator]();
  await next(events);
  await pass(500);
  expect(links.cancels).toEqual(['deadline']);
  expect(dispatcher.inFlight).toBe(0);
  // What had come by then is told first.
  expect(await next(events)).toBe('head 200');
  expect(await next(events)).toBe('body one');
  await expect(next(events)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'DONE' });
});

test('an attempt that fails while the reader looks away is told when it looks again', async () => {
  const { dispatcher, pass } = dispatching([lost, silence]);
  const events = dispatcher.stream(job(), never)[Symbol.asyncIterator]();
  expect(await next(events)).toBe('dispatched 1');
  await pass(10);
  expect(await next(events)).toBe('retrying 1 AGENT_LOST');
  await events.return?.();
});

test('a streamed job is refused while draining', async () => {
  const { dispatcher } = dispatching([answers('')]);
  await dispatcher.drain();
  const refusal = await kept(drained(dispatcher.stream(job(), never)));
  expect(refusal).toMatchObject({ answer: { told: [], failure: { code: 'DRAINING' } } });
});

import { describe, expect, test } from '@jest/globals';
import { AttemptFailure, JobFailure } from '../failure/failures.ts';
import { anyTarget } from '../route/candidate.ts';
import { dispatching, job, kept } from './dispatch-fixture.ts';
import { answers, fails, noLink, refuses, silence, stall } from './fake-links.ts';

const never = new AbortController().signal;
const lost = fails(new AttemptFailure('AGENT_LOST', 'POSSIBLE'));
const refused = fails(new AttemptFailure('CONNECT_REFUSED', 'NOT_STARTED'));
const post = { idempotent: false };

describe('a job whose exit answers', () => {
  test('gives the answer, the exit it took and how long it took', async () => {
    const { dispatcher, links, ended } = dispatching([answers('hello')]);
    const answer = await dispatcher.run(job(), never);
    expect(answer).toMatchObject({
      statusCode: 200,
      headers: [{ name: 'content-type', value: 'text/plain' }],
      finalUrl: 'http://origin.test/',
      timings: { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4, totalUs: 0 },
    });
    expect(Buffer.from(answer.body).toString()).toBe('hello');
    expect(answer.exit.exitId).toBe(links.sent[0]?.exitId);
    expect(answer.attempts).toEqual([
      { exitId: answer.exit.exitId, code: undefined, execution: 'DONE', durationMs: 0 },
    ]);
    expect(ended).toEqual(['OK']);
  });

  test('hands the link all that the exit must know', async () => {
    const { dispatcher, links } = dispatching([answers('')]);
    const sent = job({ ...post, traceparent: '00-1-2-01', deadlineAt: 1_234.5 }, { method: 'POST' });
    await dispatcher.run(sent, never);
    const { id, tenant, target, request, traceparent } = sent;
    expect(links.sent).toEqual([
      {
        exitId: expect.any(String),
        jobId: id,
        attempt: 1,
        tenant,
        target,
        tried: [],
        request,
        idempotent: false,
        deadlineMs: 1_235,
        traceparent,
      },
    ]);
  });

  test('gathers a body that comes in pieces', async () => {
    const { dispatcher } = dispatching([answers('one ', 'two ', 'three')]);
    const { body } = await dispatcher.run(job(), never);
    expect(Buffer.from(body).toString()).toBe('one two three');
  });

  test('leaves no timer, no listener and nothing to cancel behind', async () => {
    const { dispatcher, links, clock } = dispatching([answers('one', 'two')]);
    const { signal, listeners } = countedSignal();
    const running = dispatcher.run(job(), signal);
    expect(dispatcher.inFlight).toBe(1);
    await running;
    expect(clock.pending).toBe(0);
    expect(listeners()).toBe(0);
    expect(links.cancels).toEqual([undefined]);
    expect(dispatcher.inFlight).toBe(0);
  });
});

describe('an attempt that fails', () => {
  test('is followed by one on another exit, after the backoff', async () => {
    const { dispatcher, links, pass } = dispatching([lost, answers('at last')]);
    const running = dispatcher.run(job(), never);
    await pass(99);
    expect(links.sent).toHaveLength(1);
    await pass(1);
    const { attempts, exit } = await running;
    expect(links.sent.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(attempts.map(({ code, execution }) => [code, execution])).toEqual([
      ['AGENT_LOST', 'POSSIBLE'],
      [undefined, 'DONE'],
    ]);
    expect(attempts[0]?.exitId).not.toBe(exit.exitId);
  });

  test('waits twice as long the second time, and never longer than the longest backoff', async () => {
    const { dispatcher, links, pass } = dispatching([refused]);
    const retry = { maxAttempts: 4, initialBackoffMs: 100, maxBackoffMs: 150 };
    const running = kept(dispatcher.run(job({ retry }), never));
    const sentAt: number[] = [];
    for (const ms of [0, 99, 1, 149, 1, 149, 1]) {
      await pass(ms);
      sentAt.push(links.sent.length);
    }
    expect(sentAt).toEqual([1, 1, 2, 2, 3, 3, 4]);
    await running;
  });

  test('is the last one when the attempts are used up, and the caller learns of all', async () => {
    const { dispatcher, clock, pass, ended } = dispatching([refused]);
    const running = kept(dispatcher.run(job(), never));
    await pass(1_000);
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ code: 'CONNECT_REFUSED', execution: 'NOT_STARTED', jobId: 'job-1' });
    expect(new Set(failure.attempts.map(({ exitId }) => exitId)).size).toBe(3);
    expect(ended).toEqual(['CONNECT_REFUSED', 'CONNECT_REFUSED', 'CONNECT_REFUSED']);
    expect(clock.pending).toBe(0);
  });

  test('is not repeated when the deadline comes before the backoff ends', async () => {
    const { dispatcher, links, pass } = dispatching([refused]);
    const running = kept(dispatcher.run(job({ deadlineAt: 50 }), never));
    await pass(0);
    expect(failureOf(await running).code).toBe('CONNECT_REFUSED');
    expect(links.sent).toHaveLength(1);
  });

  test('counts against its exit only when the exit is to blame', async () => {
    const cases = [
      ['AGENT_LOST', 0.9],
      ['DNS_FAILURE', 0.9],
      ['CONNECT_REFUSED', 1],
      ['EXIT_REFUSED', 1],
      ['EXIT_BUSY', 1],
    ] as const;
    for (const [code, success] of cases) {
      const { dispatcher, exits } = dispatching([fails(new AttemptFailure(code, 'NOT_STARTED'))], 1);
      await kept(dispatcher.run(job({ retry: { maxAttempts: 1, initialBackoffMs: 0, maxBackoffMs: 0 } }), never));
      expect([code, exits[0]?.recentSuccess]).toEqual([code, success]);
    }
  });

  test('that the link refused, or had no way for, is tried elsewhere even when the job is not idempotent', async () => {
    const busy = refuses(new AttemptFailure('EXIT_BUSY', 'NOT_STARTED'));
    const { dispatcher, pass } = dispatching([noLink, busy, answers('third')]);
    const running = dispatcher.run(job(post), never);
    await pass(1_000);
    const { attempts } = await running;
    expect(attempts.map(({ code }) => code)).toEqual(['AGENT_DISCONNECTED', 'EXIT_BUSY', undefined]);
  });

  test('with a code that no other exit can mend is the last one', async () => {
    const { dispatcher, links } = dispatching([fails(new AttemptFailure('DNS_NXDOMAIN', 'NOT_STARTED'))]);
    expect(failureOf(await kept(dispatcher.run(job(), never))).code).toBe('DNS_NXDOMAIN');
    expect(links.sent).toHaveLength(1);
  });

  test("carries the operator's reason to the caller", async () => {
    const quota = fails(new AttemptFailure('EXIT_REFUSED', 'NOT_STARTED', { refusal: 'QUOTA' }));
    const { dispatcher } = dispatching([quota], 1);
    const retry = { maxAttempts: 1, initialBackoffMs: 0, maxBackoffMs: 0 };
    expect(failureOf(await kept(dispatcher.run(job({ retry }), never)))).toMatchObject({
      code: 'EXIT_REFUSED',
      refusal: 'QUOTA',
    });
  });
});

describe('a job that is not idempotent', () => {
  test('is never sent again once it may have left, and its outcome is unknown', async () => {
    const { dispatcher, links } = dispatching([lost, answers('twice')]);
    const failure = failureOf(await kept(dispatcher.run(job(post), never)));
    expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN', execution: 'POSSIBLE', retryable: false });
    expect(failure.message).toBe(
      'The job is not idempotent and may have reached the origin. The agent went away after the job was sent to it.',
    );
    expect(failure.attempts.map(({ code }) => code)).toEqual(['AGENT_LOST']);
    expect(links.sent).toHaveLength(1);
  });

  test('is sent again when nothing of it left', async () => {
    const neverSent = fails(new AttemptFailure('CONNECTION_TERMINATED', 'NOT_STARTED'));
    const { dispatcher, links, pass } = dispatching([neverSent, answers('once')]);
    const running = dispatcher.run(job(post), never);
    await pass(200);
    await running;
    expect(links.sent).toHaveLength(2);
  });

  test('has an unknown outcome also when a redirect led to a failure that alone would be harmless', async () => {
    const onSecondHop = fails(new AttemptFailure('DNS_FAILURE', 'DONE'));
    const { dispatcher, links } = dispatching([onSecondHop]);
    expect(failureOf(await kept(dispatcher.run(job(post), never))).code).toBe('OUTCOME_UNKNOWN');
    expect(links.sent).toHaveLength(1);
  });

  test('keeps a code that itself says that the origin answered', async () => {
    const { dispatcher } = dispatching([fails(new AttemptFailure('REDIRECT_LIMIT', 'POSSIBLE'))]);
    expect(failureOf(await kept(dispatcher.run(job(post), never)))).toMatchObject({
      code: 'REDIRECT_LIMIT',
      execution: 'DONE',
      retryable: false,
    });
  });

  test('has an unknown outcome when its answer breaks off', async () => {
    const { dispatcher } = dispatching([answers('half', new AttemptFailure('RESPONSE_INCOMPLETE', 'POSSIBLE'))]);
    expect(failureOf(await kept(dispatcher.run(job(post), never))).code).toBe('OUTCOME_UNKNOWN');
  });
});

describe('an answer that', () => {
  test('breaks off is fetched again from another exit', async () => {
    const half = answers('half', new AttemptFailure('RESPONSE_INCOMPLETE', 'POSSIBLE'));
    const { dispatcher, pass } = dispatching([half, answers('whole')]);
    const running = dispatcher.run(job(), never);
    await pass(200);
    const { body } = await running;
    expect(Buffer.from(body).toString()).toBe('whole');
  });

  test.each([
    ["is larger than the caller's bound", { maxResponseBytes: 7 }, answers('12345678')],
    ["grows larger than the caller's bound", { maxResponseBytes: 7 }, answers('1234', '5678', stall)],
    ['grows larger than a whole answer may be', {}, answers('', 'x'.repeat(60), 'x'.repeat(5), stall)],
  ])('%s is cut off as RESPONSE_TOO_LARGE', async (_, request, fate) => {
    const { dispatcher, links } = dispatching([fate]);
    expect(failureOf(await kept(dispatcher.run(job({}, request), never)))).toMatchObject({
      code: 'RESPONSE_TOO_LARGE',
      execution: 'DONE',
    });
    expect(links.cancels).toEqual(['cancelled']);
  });

  test('is exactly as large as the bound is whole', async () => {
    const { dispatcher } = dispatching([answers('1234', '5678')]);
    const { body } = await dispatcher.run(job({}, { maxResponseBytes: 8 }), never);
    expect(body).toHaveLength(8);
  });
});

describe('when no exit can be chosen', () => {
  test('says why after it has looked as often as the job may be tried', async () => {
    const { dispatcher, links, pass } = dispatching([answers('')], 0);
    const running = kept(dispatcher.run(job(), never));
    await pass(1_000);
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ code: 'NO_EXIT_AVAILABLE', message: 'No exit is connected.', retryable: true });
    expect(failure.attempts.map(({ exitId }) => exitId)).toEqual(['', '', '']);
    expect(links.sent).toHaveLength(0);
  });

  test('takes one that comes meanwhile', async () => {
    const { dispatcher, fleet, exits, pass } = dispatching([answers('late')], 1);
    const [exit] = exits;
    if (!exit) throw new Error('no exit');
    fleet.remove(exit);
    const running = dispatcher.run(job(post), never);
    await pass(10);
    fleet.add(exit);
    await pass(200);
    expect((await running).exit.exitId).toBe(exit.exitId);
  });

  test('tells rather what happened on the exit before', async () => {
    const { dispatcher, pass } = dispatching([lost], 1);
    const running = kept(dispatcher.run(job(), never));
    await pass(1_000);
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(failure.attempts.map(({ code }) => code)).toEqual(['AGENT_LOST', 'NO_EXIT_AVAILABLE', 'NO_EXIT_AVAILABLE']);
  });

  test('does not look again for an exit that does not exist', async () => {
    const { dispatcher, clock } = dispatching([answers('')]);
    const target = { ...anyTarget, exitId: 'nobody/default/direct' };
    expect(failureOf(await kept(dispatcher.run(job({ target }), never))).code).toBe('EXIT_NOT_FOUND');
    expect(clock.pending).toBe(0);
  });

  test('never says that nothing was started after an attempt that may have been', async () => {
    const { dispatcher, pass } = dispatching([lost, fails(new AttemptFailure('DNS_NXDOMAIN', 'NOT_STARTED'))]);
    const running = kept(dispatcher.run(job(), never));
    await pass(1_000);
    expect(failureOf(await running)).toMatchObject({ code: 'DNS_NXDOMAIN', execution: 'POSSIBLE' });
  });
});

describe('the deadline', () => {
  test('answers at once, though the agent never does, and cancels the exchange', async () => {
    const { dispatcher, links, pass, ended } = dispatching([silence]);
    const running = kept(dispatcher.run(job({ ...post, deadlineAt: 500 }), never));
    await pass(499);
    expect(links.cancels).toEqual([undefined]);
    await pass(1);
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'POSSIBLE' });
    expect(failure.attempts).toMatchObject([{ code: 'DEADLINE_EXCEEDED', execution: 'POSSIBLE', durationMs: 500 }]);
    expect(links.cancels).toEqual(['deadline']);
    expect(ended).toEqual(['DEADLINE_EXCEEDED']);
    expect(dispatcher.inFlight).toBe(0);
  });

  test('holds for the body as well; the origin has answered by then', async () => {
    const { dispatcher, pass } = dispatching([answers('one', stall)]);
    const running = kept(dispatcher.run(job({ deadlineAt: 500 }), never));
    await pass(500);
    expect(failureOf(await running)).toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'DONE' });
  });

  test('that has passed already sends nothing', async () => {
    const { dispatcher, links, pass } = dispatching([answers('')]);
    await pass(100);
    const failure = failureOf(await kept(dispatcher.run(job({ deadlineAt: 100 }), never)));
    expect(failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'NOT_STARTED', attempts: [] });
    expect(links.sent).toHaveLength(0);
    expect(dispatcher.inFlight).toBe(0);
  });

  test('tells the second exit how much time is left', async () => {
    const { dispatcher, links, pass } = dispatching([refused, answers('')]);
    const running = dispatcher.run(job({ deadlineAt: 1_000 }), never);
    await pass(200);
    await running;
    expect(links.sent[1]?.deadlineMs).toBe(900);
  });
});

describe('a caller that leaves', () => {
  test('ends the exchange and the job at once', async () => {
    const { dispatcher, links, clock, pass } = dispatching([silence]);
    const caller = new AbortController();
    const running = kept(dispatcher.run(job(), caller.signal));
    await pass(10);
    caller.abort();
    expect(failureOf(await running)).toMatchObject({ code: 'CANCELLED', execution: 'POSSIBLE' });
    expect(links.cancels).toEqual(['cancelled']);
    expect(clock.pending).toBe(0);
  });

  test('ends the wait between two attempts', async () => {
    const { dispatcher, links, clock, pass } = dispatching([refused, answers('')]);
    const caller = new AbortController();
    const running = kept(dispatcher.run(job(), caller.signal));
    await pass(50);
    caller.abort();
    const failure = failureOf(await running);
    expect(failure).toMatchObject({ code: 'CANCELLED', execution: 'NOT_STARTED' });
    expect(failure.attempts.map(({ code }) => code)).toEqual(['CONNECT_REFUSED']);
    expect(links.sent).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('before the job begins has nothing sent', async () => {
    const { dispatcher, links } = dispatching([answers('')]);
    expect(failureOf(await kept(dispatcher.run(job(), AbortSignal.abort()))).code).toBe('CANCELLED');
    expect(links.sent).toHaveLength(0);
  });
});

describe('an error that nobody foresaw', () => {
  test('becomes INTERNAL, with the error kept for the log', async () => {
    const cause = new TypeError('a defect');
    const { dispatcher } = dispatching([fails(cause)]);
    const failure = failureOf(await kept(dispatcher.run(job(), never)));
    expect(failure).toMatchObject({ code: 'INTERNAL', execution: 'POSSIBLE', cause });
    expect(failure.message).not.toContain('defect');
  });

  test('leaves the outcome of a job unknown that is not idempotent', async () => {
    const { dispatcher, links } = dispatching([refuses(new TypeError('a defect'))]);
    expect(failureOf(await kept(dispatcher.run(job(post), never))).code).toBe('OUTCOME_UNKNOWN');
    expect(links.sent).toHaveLength(0);
  });
});

describe('draining', () => {
  test('refuses new jobs and resolves when those in flight are over', async () => {
    const { dispatcher, pass } = dispatching([silence]);
    const running = kept(dispatcher.run(job({ deadlineAt: 500 }), never));
    let drained = false;
    const draining = dispatcher.drain().then(() => (drained = true));
    expect(failureOf(await kept(dispatcher.run(job(), never)))).toMatchObject({ code: 'DRAINING', retryable: true });
    await pass(499);
    expect(drained).toBe(false);
    await pass(1);
    await draining;
    await running;
    expect(dispatcher.inFlight).toBe(0);
  });

  test('is over at once when nothing is in flight', async () => {
    await dispatching([silence]).dispatcher.drain();
  });

  test('still tries a job in flight again', async () => {
    const { dispatcher, pass } = dispatching([refused, answers('kept')]);
    const running = dispatcher.run(job(), never);
    const draining = dispatcher.drain();
    await pass(200);
    expect((await running).statusCode).toBe(200);
    await draining;
  });
});

test('retries of all jobs together stay below their budget, and those who go without are told the true reason', async () => {
  const { dispatcher, links, pass } = dispatching([refused]);
  const jobs = 200;
  const running = Array.from({ length: jobs }, () => kept(dispatcher.run(job(), never)));
  await pass(5_000);
  for (const settled of await Promise.all(running)) expect(failureOf(settled).code).toBe('CONNECT_REFUSED');
  const retries = links.sent.length - jobs;
  expect(retries).toBeGreaterThan(0);
  expect(retries).toBeLessThanOrEqual(jobs * 0.2 + 10);
});

function failureOf(settled: { answer: unknown } | { failure: JobFailure }): JobFailure {
  if ('answer' in settled) throw new Error('the job succeeded');
  expect(settled.failure).toBeInstanceOf(JobFailure);
  return settled.failure;
}

function countedSignal() {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    listeners++;
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    listeners--;
    remove(...given);
  };
  return { signal, listeners: () => listeners };
}

import { describe, expect, test } from '@jest/globals';
import { AttemptFailure } from '../failure/failures.ts';
import { anyTarget } from '../route/candidate.ts';
import { dispatching, job, kept } from './dispatch-fixture.ts';
import { answers, type Fate, fails } from './fake-links.ts';

const never = new AbortController().signal;

function answersBy(exitId: string): Fate {
  const answer = answers('hello');
  return answer.kind === 'answer' ? { ...answer, head: { ...answer.head, exitId } } : answer;
}

function lostBy(exitId: string): Fate {
  return fails(new AttemptFailure('AGENT_LOST', 'POSSIBLE', { exitId }));
}

/** Asks for exit `a`, so that the one used is always another. */
const askA = job({ target: { ...anyTarget, exitId: 'a/default/direct' } });

describe('a job whose exit was put in place of another', () => {
  test('reports and credits the exit that answered', async () => {
    const { dispatcher, exits } = dispatching([answersBy('b/default/direct')]);
    for (const exit of exits) exit.recentSuccess = 0.5;
    const { exit, attempts } = await dispatcher.run(askA, never);
    expect(exit).toMatchObject({ exitId: 'b/default/direct', agentId: 'b/default' });
    expect(attempts.map(({ exitId }) => exitId)).toEqual(['b/default/direct']);
    expect(exits.map(({ recentSuccess }) => recentSuccess)).toEqual([0.5, 0.55, 0.5, 0.5]);
  });

  test('blames the exit that failed, and sends the job to neither of the two again', async () => {
    const { dispatcher, links, exits, pass } = dispatching([lostBy('c/default/direct'), answers('ok')], 3);
    const running = dispatcher.run(job(), never);
    await pass(1_000);
    const { attempts } = await running;
    expect(links.sent.map(({ exitId, tried }) => [exitId, tried])).toEqual([
      ['b/default/direct', []],
      ['a/default/direct', ['b/default/direct', 'c/default/direct']],
    ]);
    expect(attempts.map(({ exitId }) => exitId)).toEqual(['c/default/direct', 'a/default/direct']);
    expect(exits.map(({ recentSuccess }) => recentSuccess)).toEqual([1, 1, 0.9]);
  });

  test('names an exit that this pod does not know yet', async () => {
    const { dispatcher, exits } = dispatching([answersBy('new/here/lte')]);
    const { exit } = await dispatcher.run(job(), never);
    expect(exit).toEqual({ exitId: 'new/here/lte', agentId: 'new/here', country: '', region: '', city: '', asn: 0 });
    expect(exits.map(({ recentSuccess }) => recentSuccess)).toEqual([1, 1, 1, 1]);
  });

  test('tells the watcher of a stream which exit failed and which answered', async () => {
    const { dispatcher, pass } = dispatching([lostBy('x/y/z'), answersBy('b/default/direct')]);
    const told: [string, string][] = [];
    const running = kept(
      (async () => {
        for await (const event of dispatcher.stream(job(), never))
          if (event.type === 'retrying' || event.type === 'summary') told.push([event.type, event.exit.exitId]);
      })(),
    );
    await pass(1_000);
    await running;
    expect(told).toEqual([
      ['retrying', 'x/y/z'],
      ['summary', 'b/default/direct'],
    ]);
  });
});

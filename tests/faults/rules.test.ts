import { expect, test } from '@jest/globals';
import { type Asked, type Event, type Happening, History, type Outcome } from './history.ts';
import { invariants, ofCalmWaters, ofDurableJobs, ofKilledPods, type Rule } from './rules.ts';
import { judge } from './verdict.ts';

const rules = [...invariants, ...ofKilledPods, ...ofCalmWaters];
const well: Outcome = { result: 'succeeded', sha256: 'right', attempts: 1 };
const silence: Outcome = { result: 'broken', why: 'reset' };
const failed = (execution: string): Outcome => ({ result: 'failed', code: 'AGENT_LOST', execution });

function asked(change: Partial<Asked> = {}): Asked {
  return { kind: 'asked', job: 'j', door: 'grpc', via: 'pod-a', idempotent: false, sha256: 'right', ...change };
}
const ended = (outcome: Outcome): Happening => ({ kind: 'ended', job: 'j', outcome });
const hit: Happening = { kind: 'hit', job: 'j' };
const down: Happening = { kind: 'down', process: 'pod-a', how: 'killed', jobsAtOrigin: 3 };
const up: Happening = { kind: 'up', process: 'pod-a' };

/** Events a second apart, or at the times given. */
function history(...events: readonly (Happening & { atMs?: number })[]): History {
  return new History(events.map((event, i): Event => ({ atMs: i * 1_000, ...event })));
}

function brokenRules(told: History, among: readonly Rule[] = rules): string[] {
  return among.filter(({ broken }) => broken(told).length > 0).map(({ id }) => id);
}

test('a call that the origin saw once and that succeeded breaks no rule', () => {
  expect(brokenRules(history(asked(), hit, ended(well)))).toEqual([]);
});

test.each<[string, History, string]>([
  ['a call that never ends', history(asked({ idempotent: true }), hit), 'I1'],
  ['a POST that arrives twice', history(asked(), hit, hit, ended(well)), 'I2'],
  ['a success without a hit', history(asked(), ended(well)), 'I3'],
  ['a success with other bytes', history(asked({ sha256: 'other' }), hit, ended(well)), 'I3'],
  ['two ends of one call', history(asked(), hit, ended(well), ended(well)), 'I4'],
  ['NOT_STARTED, and yet a hit', history(asked(), hit, ended(failed('NOT_STARTED'))), 'I5'],
  ['a hit that comes after NOT_STARTED was said', history(asked(), ended(failed('NOT_STARTED')), hit), 'I5'],
  ['DONE without a hit', history(asked(), ended(failed('DONE'))), 'I5'],
])('%s breaks an invariant', (_, told, id) => {
  expect(brokenRules(told, invariants)).toContain(id);
});

test('a GET may arrive twice, and a failure that says POSSIBLE is true either way', () => {
  expect(brokenRules(history(asked({ idempotent: true }), hit, hit, ended(well)))).toEqual([]);
  expect(brokenRules(history(asked(), hit, ended(failed('POSSIBLE'))), invariants)).toEqual([]);
  expect(brokenRules(history(asked(), ended(failed('POSSIBLE'))), invariants)).toEqual([]);
});

test('silence is allowed only to a pod that was down in the meantime, and not for ever', () => {
  expect(brokenRules(history(asked(), ended(silence)), ofKilledPods)).toEqual(['K1']);
  expect(brokenRules(history(asked(), down, ended(silence), up), ofKilledPods)).toEqual([]);
  expect(
    brokenRules(history(down, up, { ...asked(), atMs: 3_500 }, { ...ended(silence), atMs: 4_000 }), ofKilledPods),
  ).toEqual(['K1']);
  const late = history(asked(), down, { ...ended(silence), atMs: 61_500 }, { ...up, atMs: 62_000 });
  expect(brokenRules(late, ofKilledPods)).toEqual(['K2']);
  expect(brokenRules(history(asked({ via: 'pod-b' }), down, ended(silence), up), ofKilledPods)).toEqual(['K1']);
});

test('agents of a pod that went down are to be welcomed again; others are not counted', () => {
  const welcomed = (agent: string, pod: string, atMs: number) => ({ kind: 'welcomed', agent, pod, atMs }) as const;
  const told = history(welcomed('one', 'pod-a', 0), welcomed('two', 'pod-b', 0), { ...down, atMs: 10 });
  expect(told.recoveriesMs()).toEqual([Number.POSITIVE_INFINITY]);
  const back = new History([...told.events, welcomed('one', 'pod-b', 4_010)]);
  expect(back.recoveriesMs()).toEqual([4_000]);
  expect(brokenRules(back, ofKilledPods)).toEqual([]);
  const late = new History([...told.events, welcomed('one', 'pod-b', 60_011)]);
  expect(brokenRules(late, ofKilledPods)).toEqual(['K3']);
});

const taken: Happening = { kind: 'taken', job: 'j', jobId: 'job-1' };
const told = (webhookId = 'msg_job-1', job = 'j'): Happening => ({ kind: 'told', job, webhookId });

test('a durable job that was taken, hit once, ended and told twice under one id breaks no rule', () => {
  const seen = history(asked(), taken, hit, told(), told(), ended(well));
  expect(brokenRules(seen, [...invariants, ...ofDurableJobs])).toEqual([]);
});

test.each<[string, History, string]>([
  ['taken, and then nobody knows of it', history(asked(), taken, ended(silence), told()), 'D1'],
  ['taken and never over', history(asked(), taken, told()), 'D1'],
  ['never told', history(asked(), taken, hit, ended(well)), 'I6'],
  ['told under two ids', history(asked(), taken, hit, ended(well), told(), told('msg_other')), 'I6'],
  ['told under the id of another', history(asked(), taken, hit, ended(well), told(), told('msg_job-1', 'k')), 'I6'],
  ['over, and still in a queue', history(asked(), { kind: 'left', what: 'ready:acme' }), 'I7'],
])('a durable job that is %s breaks a rule', (_, seen, id) => {
  expect(brokenRules(seen, ofDurableJobs)).toEqual([id]);
});

test('a durable job that nobody acknowledged has nothing to keep but that it is not done twice', () => {
  expect(brokenRules(history(asked(), hit, ended(silence), told()), [...invariants, ...ofDurableJobs])).toEqual([]);
  expect(brokenRules(history(asked(), hit, hit, ended(silence)), [...invariants, ...ofDurableJobs])).toEqual(['I2']);
});

test('a run in which too little happened is invalid, and says what was missing', () => {
  const told = history(asked(), hit, down, ended(silence), up);
  const { invalid, line, broken } = judge(told, invariants, { downs: 20, ended: 1, atOrigin: 100 });
  expect(invalid).toEqual(['downs 1 of 20', 'atOrigin 3 of 100']);
  expect(broken).toEqual([]);
  expect(line).toContain('lost 0; duplicated 0; unknown 1; recovered 0');
});

test('a verdict names the rule and the cases', () => {
  const { broken, line } = judge(history(asked(), hit, hit), invariants, { downs: 0, ended: 0, atOrigin: 0 });
  expect(broken).toHaveLength(2);
  expect(broken[0]).toContain('I1 (every call ends) does not hold in 1 cases');
  expect(broken[0]).toContain('j by grpc via pod-a at 0: 2 hits, never ended');
  expect(line).toContain('lost 1; duplicated 1');
});

// An agent that dies in the middle of a job: the caller hears at once what is known, and nothing has to be restarted.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { timed } from '../harness/goals.ts';
import { Origin } from '../harness/origin.ts';
import { story, type Use } from '../harness/story.ts';

const runJob = JobService.method.runJob;
const toldGoalMs = 2_000;

async function lab(use: Use) {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint };
  return { origin, cluster, env };
}

/** A job that waits at the origin until `name` is released. */
function held(origin: Origin, name: string, method: string) {
  return { request: { url: origin.url(`/hold/${name}`), method, headers: [{ name: 'x-marker', value: name }] } };
}

story('kill -9 of the only agent: AGENT_LOST for GET, OUTCOME_UNKNOWN for POST; its return mends all', async (use) => {
  const { origin, cluster, env } = await lab(use);
  const agent = await cluster.startAgent({ env });
  const get = cluster.grpc.failure(runJob, held(origin, 'get', 'GET'));
  const post = cluster.grpc.failure(runJob, held(origin, 'post', 'POST'));
  await Promise.all([origin.waitForHits('get'), origin.waitForHits('post')]);

  agent.signal('SIGKILL');
  const [ofGet, ofPost] = await timed('the only agent killed, its callers told', toldGoalMs, Promise.all([get, post]));
  expect(ofGet.info?.reason).toBe('AGENT_LOST');
  expect(ofPost.info?.reason).toBe('OUTCOME_UNKNOWN');

  await cluster.waitForNoAgent('home-1/default');
  await cluster.startAgent({ env });
  const { response } = await cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/3') } });
  expect(response?.body.length).toBe(3);
});

story('with a second agent the GET succeeds by itself, and the POST reached the origin once', async (use) => {
  const { origin, cluster, env } = await lab(use);
  const agents = new Map([
    ['home-1/one', await cluster.startAgent({ name: 'one', env })],
    ['home-1/two', await cluster.startAgent({ name: 'two', env })],
  ]);
  // Both jobs go to one exit, which is then the one to die.
  const exitId = 'home-1/one/direct';
  const post = cluster.grpc.failure(runJob, { ...held(origin, 'post', 'POST'), target: { exitId } });
  await origin.waitForHits('post');
  const gets = Array.from({ length: 6 }, (_, i) => cluster.grpc.call(runJob, held(origin, `get-${i}`, 'GET')));
  await Promise.all(gets.map((_, i) => origin.waitForHits(`get-${i}`)));

  agents.get('home-1/one')?.signal('SIGKILL');
  expect((await post).info?.reason).toBe('OUTCOME_UNKNOWN');
  origin.holds.releaseAll();
  const answers = await Promise.all(gets);
  expect(answers.map(({ response }) => response?.statusCode)).toEqual(gets.map(() => 200));
  const twice = answers.filter(({ attempts }) => attempts.length === 2);
  expect(twice.length).toBeGreaterThan(0);
  for (const { attempts } of twice) expect(attempts.map(({ exitId: id }) => id)).toEqual([exitId, 'home-1/two/direct']);
  expect(origin.hitsOf('post')).toHaveLength(1);
});

story('a stream whose agent dies after its head breaks off with the reason', async (use) => {
  const { origin, cluster, env } = await lab(use);
  const agent = await cluster.startAgent({ env });
  const stream = cluster.grpc.stream(JobService.method.streamJob, { request: { url: origin.url('/drip/100000') } });
  let heads = 0;
  const reading = (async () => {
    for await (const { event } of stream) {
      if (event.case !== 'head') continue;
      heads++;
      agent.signal('SIGKILL');
    }
  })();
  await expect(reading).rejects.toMatchObject({ details: expect.any(String) });
  expect(heads).toBe(1);
});

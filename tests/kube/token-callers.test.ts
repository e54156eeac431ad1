// Callers that show tokens of their ServiceAccounts: made by a real API server, checked by a real orchestrator with the
// rights of its own account and no verb more.
import { expect } from '@jest/globals';
import { Origin } from '../harness/origin.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';
import { forUs, TokenLab, told } from './harness/token-lab.ts';

const lab = shared(async (use) => {
  const made = await TokenLab.make(use);
  await made.bind();
  return made;
});

story('a token of a ServiceAccount that is granted something runs jobs for its tenant', async (use) => {
  const origin = use(await Origin.start());
  const cluster = await lab().orchestrator(use);
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  const checker = await lab().caller(cluster, ...forUs);
  await until('the keys are read', async () => (await told(checker)) === '200 OK');
  expect((await checker.runJob({ url: origin.url('/bytes/3') })).status).toBe(200);
  const { json } = await checker.request('POST', '/jobs', JSON.stringify({ url: origin.url('/bytes/3') }));
  expect((await checker.get(`/jobs/${String(json.jobId)}`)).status).toBe(200);
  expect((await cluster.rest.get(`/jobs/${String(json.jobId)}`)).json.code).toBe('JOB_NOT_FOUND');
  expect((await cluster.metrics()).sum('resproxy_tokens_total', { provider: 'cluster', result: 'good' })).toBe(1);
});

story('a token for others, or of another namespace, is refused with a reason', async (use) => {
  const cluster = await lab().orchestrator(use);
  const good = await lab().caller(cluster, ...forUs);
  await until('the keys are read', async () => (await told(good)) === '200 OK');

  const forTheServer = await told(await lab().caller(cluster));
  expect(forTheServer).toBe('401 The token\'s audience has to be "resproxy".');
  const { other } = lab();
  const stranger = await told(lab().by(cluster, await lab().tokenIn(other, ...forUs)));
  expect(stranger).toMatch(/^403 The token is good, but provider "cluster" grants nothing to it: /);
  expect(stranger).toContain(`{"namespace": "${other}", "serviceAccount": "checker"`);
});

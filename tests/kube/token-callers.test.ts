// Callers that show tokens of their ServiceAccounts: made by a real API server, checked by a real orchestrator with the
// rights of its own account and no verb more.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, importPKCS8, SignJWT } from 'jose';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { RestCaller } from '../harness/rest-caller.ts';
import { shared, story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';
import { foreignKubeconfig, Kube } from './harness/kube.ts';

const discovery = 'system:service-account-issuer-discovery';

const lab = shared(async (use) => {
  const kube = use(await Kube.start());
  const namespace = await kube.namespace();
  const other = await kube.namespace();
  await kube.kubectl('create', 'serviceaccount', 'checker', '-n', namespace);
  await kube.kubectl('create', 'serviceaccount', 'checker', '-n', other);
  // A cluster may give this to every account; here nobody has it but who was given it by name.
  if (foreignKubeconfig === undefined) await kube.kubectl('delete', 'clusterrolebinding', discovery);
  return { kube, namespace, other };
});

async function bind(): Promise<void> {
  const { kube, namespace } = lab();
  const account = `--serviceaccount=${namespace}:resproxy-orchestrator`;
  await kube.try('create', 'clusterrolebinding', `${namespace}-discovery`, `--clusterrole=${discovery}`, account);
}

async function orchestrator(use: Use): Promise<Cluster> {
  const { kube, namespace } = lab();
  const grants = [{ namespace, serviceAccount: 'checker', tenant: 'ads', scopes: ['jobs:run', 'jobs:read'] }];
  return use(
    await Cluster.start({
      env: { KUBECONFIG: await kube.kubeconfigOf(namespace, 'resproxy-orchestrator') },
      providers: [{ name: 'cluster', type: 'kubernetes', grants }],
    }),
  );
}

async function tokenOf(namespace: string, ...args: readonly string[]): Promise<string> {
  return (await lab().kube.kubectl('create', 'token', 'checker', '-n', namespace, ...args)).trim();
}

const forUs = ['--audience', 'resproxy', '--duration', '10m'];
const by = ({ ports }: Cluster, token: string) => new RestCaller(ports.http, token);

async function told(caller: RestCaller): Promise<string> {
  const { status, json } = await caller.get('/jobs');
  return `${status} ${(json.detail as string | undefined) ?? 'OK'}`;
}

if (foreignKubeconfig === undefined)
  story('an orchestrator that may not read the keys says so, and has them once it may', async (use) => {
    const cluster = await orchestrator(use);
    const checker = by(cluster, await tokenOf(lab().namespace, ...forUs));
    expect(await told(checker)).toMatch(/^503 The keys of provider "cluster" cannot be read now/);
    await cluster.orchestrator.waitForLog('is refused', ({ fault }) => String(fault).includes('403'));
    await bind();
    await until('the token is taken', async () => (await told(checker)) === '200 OK', 100_000);
  });

story('a token of a ServiceAccount that is granted something runs jobs for its tenant', async (use) => {
  await bind();
  const { namespace } = lab();
  const origin = use(await Origin.start());
  const cluster = await orchestrator(use);
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  const checker = by(cluster, await tokenOf(namespace, ...forUs));
  await until('the keys are read', async () => (await told(checker)) === '200 OK');
  expect((await checker.runJob({ url: origin.url('/bytes/3') })).status).toBe(200);
  const { json } = await checker.request('POST', '/jobs', JSON.stringify({ url: origin.url('/bytes/3') }));
  expect((await checker.get(`/jobs/${String(json.jobId)}`)).status).toBe(200);
  expect((await cluster.rest.get(`/jobs/${String(json.jobId)}`)).json.code).toBe('JOB_NOT_FOUND');
  expect((await cluster.metrics()).sum('resproxy_tokens_total', { provider: 'cluster', result: 'good' })).toBe(1);
});

story('a token for others, of another namespace, or that is over, is refused with a reason', async (use) => {
  await bind();
  const { kube, namespace, other } = lab();
  const cluster = await orchestrator(use);
  const good = await tokenOf(namespace, ...forUs);
  await until('the keys are read', async () => (await told(by(cluster, good))) === '200 OK');

  const forTheServer = await told(by(cluster, await tokenOf(namespace)));
  expect(forTheServer).toBe('401 The token\'s audience has to be "resproxy".');
  const stranger = await told(by(cluster, await tokenOf(other, ...forUs)));
  expect(stranger).toMatch(/^403 The token is good, but provider "cluster" grants nothing to it: /);
  expect(stranger).toContain(`{"namespace": "${other}", "serviceAccount": "checker"`);
  if (foreignKubeconfig !== undefined) return;

  // No token lives for less than ten minutes; so one is signed as the server would have signed it an hour ago.
  const pem = await readFile(join(dirname(kube.plane.caFile), 'tokens.key'), 'utf8');
  const { iat = 0, nbf = 0, exp = 0, ...claims } = decodeJwt(good);
  const hour = 3600;
  const past = new SignJWT({ ...claims, iat: iat - hour, nbf: nbf - hour, exp: exp - hour });
  const { kid = '' } = decodeProtectedHeader(good);
  const expired = await past.setProtectedHeader({ alg: 'RS256', kid }).sign(await importPKCS8(pem, 'RS256'));
  expect(await told(by(cluster, expired))).toMatch(/^401 The token expired at /);
});

if (foreignKubeconfig === undefined)
  story('a cluster that the pod is not in is an issuer like others, asked with a token of its own', async (use) => {
    await bind();
    const { kube, namespace } = lab();
    const dir = use(await TempDir.make());
    const tokenFile = dir.file('token');
    await writeFile(tokenFile, await kube.kubectl('create', 'token', 'resproxy-orchestrator', '-n', namespace));
    const subject = `system:serviceaccount:${namespace}:checker`;
    const elsewhere = {
      name: 'elsewhere',
      type: 'jwks',
      issuer: 'https://kubernetes.default.svc',
      jwksUri: `${kube.plane.url}/openid/v1/jwks`,
      caFile: kube.plane.caFile,
      tokenFile,
      grants: [{ subject, tenant: 'ads', scopes: ['jobs:read'] }],
    };
    const cluster = use(await Cluster.start({ providers: [elsewhere] }));
    const checker = by(cluster, await tokenOf(namespace, ...forUs));
    await until('the token is taken', async () => (await told(checker)) === '200 OK');
  });

if (foreignKubeconfig === undefined)
  story('while the API server is away, tokens are checked as before', async (use) => {
    await bind();
    const { kube, namespace } = lab();
    const cluster = await orchestrator(use);
    const seen = by(cluster, await tokenOf(namespace, ...forUs));
    const unseen = by(cluster, await tokenOf(namespace, ...forUs));
    await until('the keys are read', async () => (await told(seen)) === '200 OK');
    await kube.plane.killServer();
    try {
      expect(await told(seen)).toBe('200 OK');
      expect(await told(unseen)).toBe('200 OK');
    } finally {
      await kube.plane.startServer();
    }
  });

// What only a cluster of one's own shows of callers by tokens of their ServiceAccounts: rights that nobody has, tokens of an
// hour ago, its address among other issuers, and an API server that goes away.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, importPKCS8, SignJWT } from 'jose';
import { Cluster } from '../../harness/cluster.ts';
import { shared, story } from '../../harness/story.ts';
import { TempDir } from '../../harness/temp.ts';
import { until } from '../../harness/waiting.ts';
import { discoveryRole, forUs, TokenLab, told } from '../harness/token-lab.ts';

const lab = shared(async (use) => {
  const made = await TokenLab.make(use);
  // A cluster gives this to every account; here nobody has it but who is given it by name.
  await made.kube.kubectl('delete', 'clusterrolebinding', discoveryRole);
  return made;
});

story(
  'an orchestrator that may not read the keys says so, and has them once it may',
  async (use) => {
    const cluster = await lab().orchestrator(use);
    const checker = await lab().caller(cluster, ...forUs);
    expect(await told(checker)).toMatch(/^503 The keys of provider "cluster" cannot be read now/);
    await cluster.orchestrator.waitForLog('is refused', ({ fault }) => String(fault).includes('403'));
    await lab().bind();
    await until('the token is taken', async () => (await told(checker)) === '200 OK', 100_000);
  },
  120_000,
);

story('a token that is over is refused with a reason', async (use) => {
  const { kube } = lab();
  await lab().bind();
  const cluster = await lab().orchestrator(use);
  const good = await lab().token(...forUs);
  await until('the keys are read', async () => (await told(lab().by(cluster, good))) === '200 OK');
  // No token lives for less than ten minutes; so one is signed as the server would have signed it an hour ago.
  const pem = await readFile(join(dirname(kube.plane.caFile), 'tokens.key'), 'utf8');
  const { iat = 0, nbf = 0, exp = 0, ...claims } = decodeJwt(good);
  const hour = 3600;
  const past = new SignJWT({ ...claims, iat: iat - hour, nbf: nbf - hour, exp: exp - hour });
  const { kid = '' } = decodeProtectedHeader(good);
  const expired = await past.setProtectedHeader({ alg: 'RS256', kid }).sign(await importPKCS8(pem, 'RS256'));
  expect(await told(lab().by(cluster, expired))).toMatch(/^401 The token expired at /);
});

story('a cluster that the pod is not in is an issuer like others, asked with a token of its own', async (use) => {
  const { kube, namespace } = lab();
  await lab().bind();
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
  const checker = await lab().caller(cluster, ...forUs);
  await until('the token is taken', async () => (await told(checker)) === '200 OK');
});

story('while the API server is away, tokens are checked as before', async (use) => {
  const { kube } = lab();
  await lab().bind();
  const cluster = await lab().orchestrator(use);
  const seen = await lab().caller(cluster, ...forUs);
  const unseen = await lab().caller(cluster, ...forUs);
  await until('the keys are read', async () => (await told(seen)) === '200 OK');
  await kube.plane.killServer();
  try {
    expect(await told(seen)).toBe('200 OK');
    expect(await told(unseen)).toBe('200 OK');
  } finally {
    await kube.plane.startServer();
  }
});

import { expect, test } from '@jest/globals';
import type { KubernetesIssuer } from './issuer-config.ts';
import { KubernetesDocuments } from './kubernetes-documents.ts';

const issuer = 'https://kubernetes.default.svc';
const config: KubernetesIssuer = {
  name: 'cluster',
  type: 'kubernetes',
  audience: 'resproxy',
  algorithms: ['RS256'],
  leewaySeconds: 10,
};

/** An API server that says so. */
function documents(configuration: object, changes: Partial<KubernetesIssuer> = {}) {
  const asked: string[] = [];
  const document = async (path: string) => {
    asked.push(path);
    return path === '/openid/v1/jwks' ? { keys: [] } : configuration;
  };
  return { asked, read: () => new KubernetesDocuments({ ...config, ...changes }, async () => ({ document })).read() };
}

test('name and keys are those of the API server, whatever address it has for others', async () => {
  const { asked, read } = documents({ issuer, jwks_uri: 'https://elsewhere.example/keys' });
  expect(await read()).toEqual({ issuer, keys: { keys: [] } });
  expect(asked).toEqual(['/.well-known/openid-configuration', '/openid/v1/jwks']);
});

test('a cluster that is not the one that the file names is not believed', async () => {
  const { asked, read } = documents({ issuer, jwks_uri: '/' }, { issuer: 'https://another.example' });
  await expect(read()).rejects.toThrow(`its tokens are of ${issuer}`);
  expect(asked).not.toContain('/openid/v1/jwks');
  await expect(documents({}).read()).rejects.toThrow('does not name issuer and jwks_uri');
});

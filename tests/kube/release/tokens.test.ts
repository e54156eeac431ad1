// A release whose callers are ServiceAccounts: its orchestrator takes their tokens with the rights that the chart gives it
// and no others, in a cluster that gives none to everybody.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ImageFolder } from '../../harness/image-folder.ts';
import { projectDir } from '../../harness/process.ts';
import { RestCaller } from '../../harness/rest-caller.ts';
import { until } from '../../harness/waiting.ts';
import { discoveryRole } from '../harness/token-lab.ts';
import { helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { Kubelet } from './kubelet.ts';
import { Release } from './release.ts';

const boundMs = 120_000;
let api: ApiServer;
let image: ImageFolder;
let kubelet: Kubelet;

beforeAll(async () => {
  api = await ApiServer.start({ nodes: 1 });
  for (const name of ['home', 'ads']) api.restrictedNamespace(name);
  api.volumes(1);
  api.kubectl(['create', 'secret', 'generic', 'issuer-files', '-n', 'home', '--from-literal=ca.crt=none']);
  // What a cluster gives to every ServiceAccount by default; a strict one does not.
  api.kubectl(['delete', 'clusterrolebinding', discoveryRole]);
  new Release(api).install({ file: 'tokens.yaml' });
  image = await ImageFolder.build();
  kubelet = new Kubelet(api, image, 'home');
}, helmBuildBoundMs);

afterAll(async () => {
  await kubelet?.close();
  await image?.close();
  await api?.close();
}, boundMs);

describe('a release whose callers are ServiceAccounts', () => {
  test('the sample of a caller is taken as it is, and its token is for us', () => {
    const sample = ['-f', `${projectDir}k8s/samples/caller.yaml`];
    expect(api.kubectl(['apply', '--server-side', '--validate=strict', '-n', 'ads', ...sample]).stderr).toBe('');
    const path = 'jsonpath={.spec.template.spec.volumes[0].projected.sources[0].serviceAccountToken.audience}';
    expect(api.kubectl(['get', 'deployment', 'checker', '-n', 'ads', '-o', path]).stdout).toBe('resproxy');
  });

  test(
    'the token of its ServiceAccount is taken, for its tenant',
    async () => {
      const [pod] = await kubelet.pods('orchestrator', 1);
      if (!pod) throw new Error('there is no orchestrator');
      await kubelet.run(pod, 'orchestrator');
      const args = ['create', 'token', 'checker', '-n', 'ads', '--audience', 'resproxy'];
      const checker = new RestCaller(8080, api.kubectl(args).stdout.trim(), pod.status.podIP);
      const taken = async () => (await checker.get('/jobs').catch(() => undefined))?.status === 200;
      await until('its token is taken', taken, 60_000);
      // It was granted no more than jobs.
      expect((await checker.get('/agents')).json.code).toBe('SCOPE_DENIED');
    },
    boundMs,
  );
});

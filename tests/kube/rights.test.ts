// What each ServiceAccount may do: exactly its list. The rights come from k8s/rbac, as the chart's do.
import { expect } from '@jest/globals';
import { shared, story } from '../harness/story.ts';
import { Kube } from './harness/kube.ts';

const lab = shared(async (use) => {
  const kube = use(await Kube.start());
  const namespace = await kube.namespace();
  return { kube, namespace };
});

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const resources = [
  'agentkeys.resproxy.dev',
  'agentkeys.resproxy.dev/status',
  'secrets',
  'configmaps',
  'events.events.k8s.io',
  'events',
  'leases.coordination.k8s.io',
  'pods',
  'pods/exec',
  'serviceaccounts/token',
  'roles.rbac.authorization.k8s.io',
];

/** What the API server says it may, of everything above. */
async function rightsOf(account: string): Promise<readonly string[]> {
  const { kube, namespace } = lab();
  const user = `system:serviceaccount:${namespace}:${account}`;
  const review = (verb: string, resource: string, name?: string) => {
    const [path = '', subresource = ''] = resource.split('/');
    const [plural = '', ...group] = path.split('.');
    const attributes = {
      namespace,
      verb,
      group: group.join('.'),
      resource: plural,
      subresource,
      ...(name && { name }),
    };
    const spec = { user, groups: ['system:serviceaccounts', 'system:authenticated'], resourceAttributes: attributes };
    return { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
  };
  const asked = resources.flatMap((resource) => verbs.map((verb) => ({ verb, resource, name: '' })));
  asked.push(...verbs.map((verb) => ({ verb, resource: 'leases.coordination.k8s.io', name: 'resproxy-operator' })));
  const items = asked.map(({ verb, resource, name }) => review(verb, resource, name));
  const answers = await kube.create<{ status: { allowed: boolean } }>(items);
  return asked
    .filter((_, i) => answers[i]?.status.allowed)
    .map(({ verb, resource, name }) => `${verb} ${resource}${name ? ` ${name}` : ''}`);
}

story(
  'the operator: AgentKeys to know, their status and Secrets to write, its Lease, events; nothing else',
  async () => {
    expect(await rightsOf('resproxy-operator')).toEqual([
      'list agentkeys.resproxy.dev',
      'watch agentkeys.resproxy.dev',
      'update agentkeys.resproxy.dev/status',
      'get secrets',
      'list secrets',
      'watch secrets',
      'create secrets',
      'update secrets',
      'create events.events.k8s.io',
      'create leases.coordination.k8s.io',
      'get leases.coordination.k8s.io resproxy-operator',
      'create leases.coordination.k8s.io resproxy-operator',
      'update leases.coordination.k8s.io resproxy-operator',
    ]);
  },
);

story('an orchestrator: AgentKeys to know; nothing else', async () => {
  expect(await rightsOf('resproxy-orchestrator')).toEqual([
    'list agentkeys.resproxy.dev',
    'watch agentkeys.resproxy.dev',
  ]);
});

story('an orchestrator that tries to read a Secret, or to write a status, is refused', async () => {
  const { kube, namespace } = lab();
  await kube.kubectl('create', 'secret', 'generic', 'some', '-n', namespace, '--from-literal=a=b');
  const orchestrator = await kube.kubeconfigOf(namespace, 'resproxy-orchestrator');
  for (const args of [
    ['get', 'secret', 'some'],
    ['get', 'secrets'],
    ['patch', 'akey', 'x', '--subresource=status', '--type=merge', '-p', '{}'],
  ]) {
    const { code, output } = await kube.tryAs(orchestrator, ...args);
    expect(code).not.toBe(0);
    expect(output).toContain('forbidden');
  }
  expect((await kube.tryAs(orchestrator, 'auth', 'can-i', 'get', 'secrets')).output).toContain('no');
  expect((await kube.tryAs(orchestrator, 'auth', 'can-i', 'list', 'agentkeys')).output).toContain('yes');
});

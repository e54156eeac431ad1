// The life of an AgentKey as its owner sees it through kubectl, row by row, with a real operator that has the rights of
// its ServiceAccount only.
import { expect } from '@jest/globals';
import { digestOf } from '../../internal/kit/digest.ts';
import { patienceMs, timed } from '../harness/goals.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';
import { Kube } from './harness/kube.ts';
import { type AgentKeyObject, conditionOf, Lab } from './harness/lab.ts';
import { orchWs } from './harness/operator.ts';

const secretGoalMs = 2_000;
/** What a busy machine may take between a change and a look at what came of it. */
const lookMs = 10_000;
const overlap = `${lookMs / 1_000}s`;

const lab = shared(async (use) => {
  const made = await Lab.make(use(await Kube.start()), use);
  await made.operator();
  return made;
});

const activeDigest = ({
  status,
}: {
  status?: { activeKeyID?: string; keys?: readonly { id: string; digest: string }[] };
}) => status?.keys?.find(({ id }) => id === status.activeKeyID)?.digest;

story('an AgentKey gets its Secret, and says so in every way that kubectl shows', async () => {
  // The first apply to a server takes kubectl two seconds by itself: it fetches what it validates by.
  await lab().apply('berlin', { secretTemplate: { labels: { team: 'ads' } } });
  await timed('kubectl has applied an AgentKey, its Secret is there', secretGoalMs, lab().ready('berlin'));

  const agentKey = await lab().agentKey('berlin');
  const texts = await lab().secretTexts('berlin');
  expect(activeDigest(agentKey)).toBe(digestOf(texts.AGENT_KEY ?? ''));
  expect(texts).toMatchObject({ AGENT_KEY_ID: agentKey.status?.activeKeyID, ORCH_WS: orchWs });
  expect((await lab().secret('berlin')).metadata.labels).toMatchObject({ team: 'ads' });
  expect(JSON.stringify(agentKey)).not.toContain(texts.AGENT_KEY);

  const [head = '', row = ''] = (await lab().kubectl('get', 'akey', 'berlin')).split('\n');
  expect(head.split(/\s+/)).toEqual(['NAME', 'READY', 'ACTIVE', 'AGENTS', 'REASON', 'SECRET', 'AGE']);
  expect(row).toMatch(/^berlin\s+True\s+True\s+Active\s+berlin\s/);
  await until('the event is there', async () => (await lab().events('berlin')).includes('KeyIssued'));
  expect(await lab().kubectl('describe', 'akey', 'berlin')).toContain('KeyIssued');
});

story('rotated by id: the new key is in the Secret, the old one stays listed until its overlap ends', async () => {
  await lab().apply('rotated', { rotation: { overlap } });
  await lab().ready('rotated');
  const before = activeDigest(await lab().agentKey('rotated'));
  await lab().patch('rotated', { rotation: { id: 'once', overlap } });
  const during = await lab().until('a second key', 'rotated', ({ status }) => status?.keys?.length === 2);
  expect(during.status?.keys?.[1]).toMatchObject({ digest: before, notAfter: expect.any(String) });
  await lab().ready('rotated');
  expect(digestOf((await lab().secretTexts('rotated')).AGENT_KEY ?? '')).toBe(
    activeDigest(await lab().agentKey('rotated')),
  );
  const one = ({ status }: AgentKeyObject) => status?.keys?.length === 1;
  const after = await lab().until('the overlap ends', 'rotated', one, patienceMs(lookMs));
  expect(after.status?.keys?.[0]?.digest).not.toBe(before);
});

story('suspended and resumed, it stays ready and keeps its key', async () => {
  await lab().apply('paused');
  await lab().ready('paused');
  const before = activeDigest(await lab().agentKey('paused'));
  await lab().patch('paused', { suspend: true });
  const suspended = await lab().until('suspended', 'paused', (key) => conditionOf(key, 'Active') === 'False Suspended');
  expect(conditionOf(suspended, 'Ready')).toBe('True SecretWritten');
  await lab().patch('paused', { suspend: false });
  const resumed = await lab().until('resumed', 'paused', (key) => conditionOf(key, 'Active') === 'True Active');
  expect(activeDigest(resumed)).toBe(before);
});

story('it expires by itself, when its time comes', async () => {
  await lab().apply('brief', { expiresAt: new Date(Date.now() + lookMs).toISOString() });
  await lab().ready('brief');
  expect(conditionOf(await lab().agentKey('brief'), 'Active')).toBe('True Active');
  const isExpired = (key: AgentKeyObject) => conditionOf(key, 'Active') === 'False Expired';
  const expired = await lab().until('expired', 'brief', isExpired, patienceMs(lookMs));
  expect(conditionOf(expired, 'Ready')).toBe('True SecretWritten');
});

story('a deleted Secret comes back with another key, and the old digest is gone', async () => {
  await lab().apply('lost');
  await lab().ready('lost');
  const before = activeDigest(await lab().agentKey('lost'));
  await lab().kubectl('delete', 'secret', 'lost');
  const { status } = await lab().until('another key', 'lost', (key) => {
    return activeDigest(key) !== before && conditionOf(key, 'Ready') === 'True SecretWritten';
  });
  expect(status?.keys).toHaveLength(1);
  expect(status?.keys?.[0]?.digest).toBe(digestOf((await lab().secretTexts('lost')).AGENT_KEY ?? ''));
  await until('the event is there', async () => (await lab().events('lost')).includes('SecretDeleted'));
});

story('an altered Secret gets another key, and the old digest is gone', async () => {
  await lab().apply('altered');
  await lab().ready('altered');
  const before = activeDigest(await lab().agentKey('altered'));
  await lab().kubectl('patch', 'secret', 'altered', '-p', '{"stringData":{"AGENT_KEY":"mine"}}');
  const { status } = await lab().until('another key', 'altered', (key) => {
    return activeDigest(key) !== before && conditionOf(key, 'Ready') === 'True SecretWritten';
  });
  expect(status?.keys).toHaveLength(1);
  expect(status?.keys?.[0]?.digest).toBe(digestOf((await lab().secretTexts('altered')).AGENT_KEY ?? ''));
  await until('the event is there', async () => (await lab().events('altered')).includes('SecretTampered'));
});

story('a Secret that lost its label and its address is put right, with the same key', async () => {
  await lab().apply('bare');
  await lab().ready('bare');
  const before = activeDigest(await lab().agentKey('bare'));
  await lab().kubectl('label', 'secret', 'bare', 'app.kubernetes.io/managed-by-');
  await lab().kubectl('patch', 'secret', 'bare', '-p', '{"stringData":{"ORCH_WS":"wss://elsewhere/agent"}}');
  await until('it is put right', async () => {
    const { metadata } = await lab().secret('bare');
    const right = metadata.labels?.['app.kubernetes.io/managed-by'] === 'resproxy-operator';
    return right && (await lab().secretTexts('bare')).ORCH_WS === orchWs;
  });
  expect(activeDigest(await lab().agentKey('bare'))).toBe(before);
});

story(
  'a Secret of somebody else is not touched, byte for byte, and once it is gone the AgentKey gets its own',
  async () => {
    await lab().kubectl('create', 'secret', 'generic', 'theirs', '--from-literal=AGENT_KEY=mine');
    const before = await lab().secret('theirs');
    await lab().apply('conflict', { secretName: 'theirs' });
    const stalled = await lab().until('the conflict', 'conflict', (key) => {
      return conditionOf(key, 'Ready') === 'False SecretConflict';
    });
    expect([conditionOf(stalled, 'Stalled'), conditionOf(stalled, 'Active')]).toEqual([
      'True SecretConflict',
      'False NoKey',
    ]);
    expect(stalled.status?.keys ?? []).toEqual([]);
    await lab().patch('conflict', { maxAgents: 2 });
    await lab().until('it was looked at again', 'conflict', ({ status }) => {
      return (
        status?.conditions.some(
          (condition) => 'observedGeneration' in condition && condition.observedGeneration === 2,
        ) ?? false
      );
    });
    expect(await lab().secret('theirs')).toEqual(before);

    await lab().kubectl('delete', 'secret', 'theirs');
    await lab().patch('conflict', { maxAgents: 3 });
    await lab().ready('conflict');
    await until('the event is there', async () => (await lab().events('conflict')).includes('SecretConflict'));
  },
);

story('a status that is lost, as in a restore, gets another key', async () => {
  await lab().apply('restored');
  await lab().ready('restored');
  const before = await lab().agentKey('restored');
  await lab().kubectl(
    'patch',
    'akey',
    'restored',
    '--subresource=status',
    '--type=json',
    '-p',
    '[{"op":"remove","path":"/status"}]',
  );
  const after = await lab().until(
    'another key',
    'restored',
    (key) => conditionOf(key, 'Ready') === 'True SecretWritten',
  );
  expect(activeDigest(after)).not.toBe(activeDigest(before));
  await until('the event is there', async () => (await lab().events('restored')).includes('KeyReissued'));
});

story('deleted: the Secret goes with it, and the next AgentKey of that name starts anew', async () => {
  await lab().apply('gone');
  await lab().ready('gone');
  await lab().kubectl('delete', 'akey', 'gone', '--wait=true');
  await until(
    'the Secret is collected',
    async () => (await lab().kube.try('get', 'secret', 'gone', '-n', lab().namespace)).code !== 0,
    30_000,
  );
  await lab().apply('gone');
  await lab().ready('gone');
});

story('retained: the Secret stays when the AgentKey goes, is no conflict before, and is one for the next', async () => {
  await lab().apply('kept', { deletionPolicy: 'Retain' });
  await lab().ready('kept');
  const { metadata } = await lab().secret('kept');
  expect(metadata.ownerReferences ?? []).toEqual([]);
  await lab().patch('kept', { maxAgents: 2 });
  await lab().ready('kept');
  await lab().kubectl('delete', 'akey', 'kept', '--wait=true');
  expect((await lab().secret('kept')).metadata.uid).toBe(metadata.uid);
  await lab().apply('kept');
  await lab().until('a conflict', 'kept', (key) => conditionOf(key, 'Ready') === 'False SecretConflict');
});

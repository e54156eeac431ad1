import { expect, test } from '@jest/globals';
import { nameOf, parseAgentKey } from './resource.ts';

const metadata = { name: 'berlin', namespace: 'homes', uid: 'u1', resourceVersion: '1' };

function faultOf(object: object): string | undefined {
  const parsed = parseAgentKey({ metadata, ...object });
  return parsed.ok ? undefined : parsed.fault;
}

test('an empty spec has every default, and no status says nothing', () => {
  const parsed = parseAgentKey({ metadata });
  expect(parsed).toEqual({
    ok: true,
    agentKey: {
      metadata,
      spec: {
        secretTemplate: { labels: {}, annotations: {} },
        deletionPolicy: 'Delete',
        suspend: false,
        rotation: { overlap: '10m' },
        labels: {},
        tenants: [],
        limits: {},
      },
      status: { keys: [], conditions: [] },
    },
  });
});

test.each([
  ['spec.suspend', { spec: { suspend: 'no' } }],
  ['spec.expiresAt', { spec: { expiresAt: 'tomorrow' } }],
  ['spec', { spec: 'nothing' }],
  ['status.keys.0.digest', { status: { keys: [{ id: 'a', digest: 'md5:0' }] } }],
])('a fault is told by its place: %s', (place, object) => {
  expect(faultOf(object)).toContain(`${place}: `);
});

test('a name that does not fit into the id of an agent is a fault', () => {
  expect(parseAgentKey({ metadata: { ...metadata, name: 'a'.repeat(65) } }).ok).toBe(false);
  expect(parseAgentKey({ metadata: { ...metadata, name: 'a'.repeat(64) } }).ok).toBe(true);
});

test('fields of a later version are passed over', () => {
  expect(faultOf({ spec: { colour: 'red' } })).toBeUndefined();
});

test('a key is named by namespace and name', () => {
  expect(nameOf(metadata)).toBe('homes.berlin');
});

import { expect, test } from '@jest/globals';
import { readOrder } from './config.ts';

test('an agent key takes its policy from the options', () => {
  const args = [
    '--name',
    'berlin-1',
    '--labels',
    'country=DE, rack=a=b',
    '--tenants',
    'acme,shop',
    '--max-agents',
    '2',
  ];
  const more = ['--max-concurrent', '4', '--not-after', '2030-01-31T00:00:00Z', '--file', 'keys.json'];
  expect(readOrder([...args, ...more], {})).toEqual({
    kind: 'agent',
    path: 'keys.json',
    policy: {
      name: 'berlin-1',
      labels: { country: 'DE', rack: 'a=b' },
      tenants: ['acme', 'shop'],
      maxAgents: 2,
      limits: { maxConcurrent: 4 },
      notAfter: '2030-01-31T00:00:00Z',
    },
  });
});

test('a caller may run jobs unless its scopes say otherwise', () => {
  expect(readOrder(['--caller', 'shop', '--tenant', 'acme'], {})).toEqual({
    kind: 'caller',
    path: './.resproxy/callers.json',
    caller: { name: 'shop', tenant: 'acme', scopes: ['jobs:run'] },
  });
});

test("the orchestrator's setting says which file, unless --file does", () => {
  const env = { RESPROXY_KEYS: 'file:/etc/keys.json' };
  expect(readOrder(['--name', 'x'], env)).toMatchObject({ path: '/etc/keys.json' });
  expect(readOrder(['--name', 'x', '--file', 'here.json'], env)).toMatchObject({ path: 'here.json' });
});

test.each([
  [[], {}, '--name NAME makes a key for an agent'],
  [['--caller', 'x'], {}, '--caller needs --tenant'],
  [['--name', 'x', '--scopes', 'jobs:run'], {}, '--scopes does not go with --name'],
  [['--caller', 'x', '--labels', 'a=b'], {}, '--labels does not go with --caller'],
  [['--name', 'x', '--labels', 'country'], {}, 'country is not of the form name=value'],
  [['--name', 'x'], { RESPROXY_KEYS: 'kubernetes:default' }, 'RESPROXY_KEYS names no file'],
  [['--nmae', 'x'], {}, "Unknown option '--nmae'"],
])('%j is refused with a sentence', (args, env, message) => {
  expect(() => readOrder(args, env)).toThrow(message);
});

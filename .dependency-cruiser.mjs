// Who may import whom (docs/ARCHITECTURE.md). Unit tests beside a file follow the rules of their room.
const room = (name) => `^internal/orchestrator/${name}/`;
const orchestratorRooms = [
  'intake',
  'dispatch',
  'queue',
  'callbacks',
  'jobs',
  'route',
  'registry',
  'channel',
  'peer',
  'limits',
  'keys',
  'issuers',
  'admin',
  'failure',
  'redis',
];

/** What a room of the orchestrator may import of ours; itself and kit are always allowed. */
const allowed = {
  intake: ['dispatch', 'queue', 'jobs', 'route', 'registry', 'channel', 'limits', 'failure', 'issuers'],
  dispatch: ['route', 'registry', 'channel', 'failure'],
  queue: ['dispatch', 'jobs', 'route', 'registry', 'channel', 'failure'],
  callbacks: ['jobs'],
  route: [],
  registry: ['route', 'keys', 'redis'],
  channel: ['keys', 'registry', 'route', 'failure'],
  peer: ['channel', 'registry', 'route', 'failure'],
  keys: [],
  issuers: [],
  admin: ['registry'],
  failure: [],
  redis: [],
  jobs: ['failure', 'redis'],
  limits: ['redis'],
};
/** And which of the shared floors. gen is for the edges. */
const floors = {
  intake: ['^gen/', '^internal/wire/(limits|http-rules)'],
  keys: ['^internal/agentkey/', '^internal/kube/', '^internal/wire/(labels|limits)'],
  registry: ['^internal/wire/labels'],
  channel: ['^gen/', '^internal/wire/'],
  peer: ['^gen/', '^internal/wire/'],
  failure: ['^gen/'],
  callbacks: ['^internal/guard/'],
};

const only = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^(internal|cmd|gen)/', pathNot: to },
});

export default {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-unlisted-packages',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-dev-packages-at-run-time',
      severity: 'error',
      from: { path: '^(cmd|internal)/', pathNot: '(\\.test\\.ts$|/jobs/suite/)' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'nothing-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    only('kit-stands-on-npm-only', '^internal/kit/', ['^internal/kit/']),
    only('wire-knows-gen-and-kit', '^internal/wire/', ['^internal/wire/', '^internal/kit/', '^gen/']),
    only('guard-knows-kit', '^internal/guard/', ['^internal/guard/', '^internal/kit/']),
    only('egress-knows-guard-and-kit', '^internal/agent/egress/', [
      '^internal/agent/egress/',
      '^internal/guard/',
      '^internal/kit/',
      '^internal/wire/(limits|http-rules)',
      '^gen/',
    ]),
    only('uplink-knows-wire-and-egress', '^internal/agent/uplink/', [
      '^internal/agent/',
      '^internal/wire/',
      '^internal/kit/',
      '^gen/',
    ]),
    ...orchestratorRooms.map((name) =>
      only(`${name}-knows-its-neighbours`, room(name), [
        room(name),
        '^internal/kit/',
        ...(allowed[name] ?? []).map(room),
        ...(floors[name] ?? []),
      ]),
    ),
    only('kube-knows-kit', '^internal/kube/', ['^internal/kube/', '^internal/kit/']),
    only('agentkey-knows-kube-and-kit', '^internal/agentkey/', [
      '^internal/agentkey/',
      '^internal/kube/',
      '^internal/kit/',
    ]),
    only('operator-knows-agentkey-kube-and-kit', '^internal/operator/', [
      '^internal/operator/',
      '^internal/agentkey/',
      '^internal/kube/',
      '^internal/kit/',
      '^internal/orchestrator/keys/key-format',
    ]),
    {
      name: 'kubernetes-client-in-one-file',
      severity: 'error',
      from: { pathNot: '^internal/kube/credentials' },
      to: { path: 'node_modules/@kubernetes/' },
    },
    ...['orchestrator', 'agent', 'local', 'keygen', 'operator'].map((program) =>
      only(`no-program-imports-another:${program}`, `^cmd/${program}/`, [
        `^cmd/${program}/`,
        `^internal/${program}/`,
        '^internal/kit/',
        '^internal/orchestrator/keys/',
      ]),
    ),
    {
      name: 'the-agent-stays-small',
      severity: 'error',
      from: { path: '^(cmd/agent|internal/agent)/', pathNot: '\\.test\\.ts$' },
      to: { path: 'node_modules/(ioredis|@kubernetes|@connectrpc|@grpc|prom-client)/', reachable: true },
    },
    {
      name: 'redis-alone-runs-ioredis',
      severity: 'error',
      from: { pathNot: '^(internal/orchestrator/redis|tests|bench|node_modules)/' },
      to: { path: 'node_modules/ioredis/' },
    },
    {
      name: 'route-does-no-io',
      severity: 'error',
      from: { path: room('route'), pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};

// What the image is, read from its Dockerfile; the reader itself, on small examples.
import { access, readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { ignoredBy, parseDockerfile, type Step } from './dockerfile.ts';

const root = new URL('../', import.meta.url);
const read = (name: string) => readFile(new URL(name, root), 'utf8');
const stages = parseDockerfile(await read('Dockerfile'));
const [build, image] = stages;
const isIgnored = ignoredBy(await read('.dockerignore'));

describe('the image', () => {
  const copied = (steps: readonly Step[] = []) =>
    steps.flatMap((step) => (step.kind === 'copy' && step.from === undefined ? step.sources : []));

  test('is made in two stages of the same Node', () => {
    expect(stages.map(({ base }) => base)).toEqual(['node:24-slim', 'node:24-slim']);
    expect(build?.name).toBe('build');
  });

  test('copies only what is there and not ignored', async () => {
    const sources = stages.flatMap(({ steps }) => copied(steps));
    expect(sources.filter(isIgnored)).toEqual([]);
    for (const source of sources) await access(new URL(source, root));
  });

  test('leaves tests, local state and installed packages behind', () => {
    const kept = ['cmd/agent/main.ts', 'gen/resproxy/v1/job_pb.ts', 'internal/kit/log.ts'];
    const left = [
      'cmd/agent/config.test.ts',
      'internal/local/app.ts',
      'node_modules/ws',
      '.resproxy/dev-token',
      '.env',
    ];
    expect([...kept, ...left].filter(isIgnored)).toEqual(left);
  });

  test('holds what was built and nothing that was built with', () => {
    const copies = image?.steps.filter(({ kind }) => kind === 'copy');
    expect(copies).toEqual([{ kind: 'copy', from: 'build', sources: ['/app/dist'], target: '/app' }]);
  });

  test('is built from the lock, without any package running a script of its own', () => {
    const runs = build?.steps.flatMap((step) => (step.kind === 'run' ? [step.command] : [])) ?? [];
    expect(runs.filter((command) => /npm|npx/.test(command))).toEqual(['npm ci --ignore-scripts']);
  });

  test('is not root, listens on every address, and has node itself as its first process', () => {
    expect(image?.user).toBe('1000:1000');
    expect(image?.env).toMatchObject({ RESPROXY_BIND: '0.0.0.0', RESPROXY_ADMIN_BIND: '0.0.0.0' });
    expect([image?.entrypoint[0], image?.command]).toEqual(['node', ['orchestrator']]);
  });
});

describe('parseDockerfile', () => {
  test('follows folders, joins lines, and passes comments over', () => {
    const text =
      'FROM a AS x\nWORKDIR /app\n# no\nRUN one \\\n  two\nFROM b\nWORKDIR /d\nCOPY --from=x /app/m ./m\nCOPY p q ./\n';
    expect(parseDockerfile(text).map(({ steps }) => steps)).toEqual([
      [{ kind: 'run', folder: '/app', command: 'one two' }],
      [
        { kind: 'copy', from: 'x', sources: ['/app/m'], target: '/d/m' },
        { kind: 'copy', from: undefined, sources: ['p', 'q'], target: '/d/' },
      ],
    ]);
  });

  test.each(['FROM a\nADD x y', 'COPY x y', 'FROM a\nCOPY --chmod=1 x y'])('refuses %j', (text) => {
    expect(() => parseDockerfile(text)).toThrow();
  });
});

describe('ignoredBy', () => {
  test('lets the last pattern that fits win', () => {
    const isOut = ignoredBy('# all\n*\n!a\na/secret\n**/*.log\n');
    expect(['a', 'a/b', 'a/b/c'].some(isOut)).toBe(false);
    expect(['b', 'b/a', 'a/secret', 'a/secret/x', 'a/b/x.log'].every(isOut)).toBe(true);
  });
});

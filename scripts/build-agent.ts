// npm run build:agent: the agent as one file that runs on a machine with nothing but Node. Readable, not minified, and
// the same bytes from the same sources. The first argument names the file; dist/agent.mjs by default.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { prelude } from './agent-prelude.ts';
import { licencesComment } from './licences.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { version: string };

/** Turns imports of Node's own modules into calls of `require`, which the prelude makes once it has checked Node. */
const builtinsByRequire: Plugin = {
  name: 'builtins-by-require',
  setup(bundle) {
    bundle.onResolve({ filter: /^[a-z:_/0-9]+$/ }, ({ path, kind }) => {
      if (!isBuiltin(path)) return undefined;
      return kind === 'require-call' ? { path, external: true } : { path, namespace: 'builtin' };
    });
    bundle.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }));
  },
};

async function bundleAgent(): Promise<string> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['cmd/agent/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    outfile: 'agent.mjs',
    format: 'esm',
    platform: 'node',
    // A Node that is too old has to be able to parse the file, for it to say so.
    target: 'node18',
    charset: 'utf8',
    legalComments: 'eof',
    // ws takes them when they are there; here they never are.
    external: ['bufferutil', 'utf-8-validate'],
    define: { RESPROXY_BUNDLED_VERSION: JSON.stringify(version) },
    banner: { js: prelude },
    plugins: [builtinsByRequire],
    logLevel: 'warning',
  });
  const code = outputFiles[0]?.text ?? '';
  if (/^import\b/m.test(code)) throw new Error('the bundle imports something before it has checked Node');
  return code + licencesComment(root, Object.keys(metafile.inputs));
}

const file = resolve(process.argv[2] ?? resolve(root, 'dist/agent.mjs'));
const code = await bundleAgent();
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, code);
console.log(`${file}: ${(code.length / 1024).toFixed(0)} KiB, version ${version}`);

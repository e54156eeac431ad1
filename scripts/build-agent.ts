// npm run build:agent: the agent as one file that runs on a machine with nothing but Node. The first argument names the
// file; dist/agent.mjs by default.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { build } from 'esbuild';
import { prelude } from './agent-prelude.ts';
import { builtinsByRequire, bundled, root, version } from './bundle.ts';
import { licencesComment } from './licences.ts';

async function bundleAgent(): Promise<string> {
  const { outputFiles, metafile } = await build({
    ...bundled,
    entryPoints: ['cmd/agent/main.ts'],
    outfile: 'agent.mjs',
    // A Node that is too old has to be able to parse the file, for it to say so.
    target: 'node18',
    charset: 'ascii',
    legalComments: 'eof',
    banner: { js: prelude },
    plugins: [builtinsByRequire],
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

// How programs become files that run without node_modules: the agent's one file (build-agent.ts) and what the image holds
// (build.ts). Not minified, and the same bytes from the same sources.
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BuildOptions, Plugin } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const { version } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { version: string };

/**
 * Turns imports of Node's own modules into calls of `require`. To a bundle without a node_modules folder nothing else is
 * left to import; and an import of such a module, unlike a call, evaluates all that it exports: node:http has all of
 * fetch and WebSocket behind it.
 */
export const builtinsByRequire: Plugin = {
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

export const bundled = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'node',
  // ws and debug take them when they are there; here they never are.
  external: ['bufferutil', 'utf-8-validate', 'supports-color'],
  define: { RESPROXY_BUNDLED_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
} as const satisfies BuildOptions;

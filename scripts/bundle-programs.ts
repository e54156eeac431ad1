// Programs as files that need no node_modules and no stripping of types: each named entry is a file, and what several
// share, or load only when they need it, is a file beside them. Maps lead from a stack trace back to our sources.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { builtinsByRequire, bundled, root } from './bundle.ts';
import { licences } from './licences.ts';
import { ownLines, type SourceMap } from './own-lines.ts';

/** Name and content, flat. */
export type Bundle = ReadonlyMap<string, Uint8Array | string>;

/** What packages that are not in ES modules call. */
const require = "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);";
const packages = 'node_modules/';

/** `entries`: sources by the name of their program. A thread that one of them starts is an entry too, named as its source. */
export async function bundlePrograms(entries: Readonly<Record<string, string>>): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...bundled,
    entryPoints: entries,
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    splitting: true,
    target: 'node24',
    sourcemap: 'linked',
    sourcesContent: false,
    banner: { js: require },
    plugins: [builtinsByRequire, threads, leanKubernetes],
  });
  const files = new Map<string, Uint8Array | string>();
  for (const { path, text, contents } of outputFiles)
    files.set(basename(path), path.endsWith('.map') ? withOwnLines(text) : contents);
  return files.set('LICENCES.txt', licences(root, held(metafile)));
}

/** The sources of which something is left. */
function held({ outputs }: Metafile): string[] {
  const inputs = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
}

/** Sources are named from the project's folder, not from that of the bundle. */
function withOwnLines(text: string): string {
  const isOwn = (source: string) => source.startsWith('../') && !source.includes(packages);
  const { sources, ...map } = ownLines(JSON.parse(text) as SourceMap, isOwn);
  return JSON.stringify({ ...map, sources: sources.map((source) => source.replace('../', '')) });
}

/** A thread is started by the URL of its source; in a bundle that is the file of the same name. */
const threads: Plugin = {
  name: 'threads',
  setup(bundle) {
    bundle.onLoad({ filter: /\/internal\/.*-store\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/new URL\('\.\/([\w-]+)\.ts'/, "new URL('./$1.mjs'"),
      loader: 'ts',
    }));
  },
};

/** Of the Kubernetes client we use the part that reads kubeconfigs. Its 15 MB of generated API only define classes. */
const leanKubernetes: Plugin = {
  name: 'lean-kubernetes',
  setup(bundle) {
    const name = '@kubernetes/client-node';
    bundle.onResolve({ filter: /./ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === name || !(path === name || from.importer.includes(packages + name))) return undefined;
      return { ...(await bundle.resolve(path, { ...from, pluginData: name })), sideEffects: false };
    });
  },
};

// The agent runs in strangers' homes and must stay small enough to read in an evening: what it imports, down to the
// last package, is counted here.
import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';

const root = fileURLToPath(new URL('../../', import.meta.url));
const entry = join(root, 'cmd/agent/main.ts');

/** `import` and `export ... from`, over several lines or not; types vanish before the program runs. */
const importPattern = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const dynamicPattern = /\b(?:import|require)\(/;

interface ImportGraph {
  readonly files: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(importPattern)].map(([, specifier = '']) => specifier);
}

function walk(from: string): ImportGraph {
  const files = new Set([from]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) files.add(join(dirname(file), specifier));
      else if (!isBuiltin(specifier)) packages.add(packageOf(specifier));
    }
  }
  return { files, packages };
}

/** `@scope/name/sub/path` belongs to `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

const manifestSchema = z.object({
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});

/** The folders of the packages and of all that they depend on, each where its dependent finds it. */
function installed(packages: Iterable<string>): ReadonlySet<string> {
  const folders = new Set<string>();
  for (const name of packages) folders.add(folderOf(name, root));
  for (const folder of folders) {
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      folders.add(folderOf(name, folder));
    }
  }
  return folders;
}

function folderOf(name: string, from: string): string {
  for (const folder of createRequire(join(from, 'package.json')).resolve.paths(name) ?? []) {
    try {
      readFileSync(join(folder, name, 'package.json'));
      return join(folder, name);
    } catch {
      // Not in this one.
    }
  }
  throw new Error(`${name} is not installed for ${from}`);
}

describe('the agent', () => {
  const { files, packages } = walk(entry);

  test('needs six packages', () => {
    expect([...packages].sort()).toEqual(['@bufbuild/protobuf', 'ipaddr.js', 'pino', 'undici', 'ws', 'zod']);
  });

  test('needs at most twenty packages in all', () => {
    const names = [...installed(packages)];
    expect(names.length).toBeGreaterThan(packages.size);
    expect(names.length).toBeLessThanOrEqual(20);
  });

  test('imports nothing of the other programs, and nothing that only a run can tell', () => {
    const own = /^(cmd\/agent|internal\/(agent|guard|kit|wire)|gen)\//;
    const relative = [...files].map((file) => file.slice(root.length).replaceAll('\\', '/'));
    expect(relative.length).toBeGreaterThan(20);
    expect(relative.filter((file) => !own.test(file))).toEqual([]);
    expect([...files].filter((file) => dynamicPattern.test(readFileSync(file, 'utf8')))).toEqual([]);
  });
});

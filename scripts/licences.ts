// The licences of what a bundle holds, as a text or as a comment for its end: whoever passes it on passes them on with it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

const packageOf = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** `inputs` are the bundled files, relative to `root`; the project's own licence stands first. */
export function licences(root: string, inputs: readonly string[]): string {
  const own = section(readManifest(root), readFileSync(join(root, 'LICENSE'), 'utf8'));
  const folders = new Set(inputs.flatMap((path) => packageOf.exec(path)?.[0] ?? []));
  const theirs = [...folders].sort().map((folder) => {
    const files = inputs.filter((path) => path.startsWith(`${folder}/`));
    return section(readManifest(join(root, folder)), licenceText(root, folder, files));
  });
  return [own, ...theirs].join('\n');
}

export function licencesComment(root: string, inputs: readonly string[]): string {
  return `/*\n${licences(root, inputs).replaceAll('*/', '* /')}*/\n`;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function section({ name, version, license }: Manifest, text: string): string {
  return `==== ${name} ${version}, ${license}\n\n${text.trim()}\n`;
}

/** A package without a licence file says it at the head of its sources. */
function licenceText(root: string, folder: string, files: readonly string[]): string {
  const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(root, folder, file), 'utf8');
  const heads = new Set(files.map((path) => headComment(readFileSync(join(root, path), 'utf8'))).filter(Boolean));
  if (heads.size === 0) throw new Error(`${folder} names no licence to pass on`);
  return [...heads].join('\n\n');
}

function headComment(source: string): string {
  const lines = source.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.slice(2).trim())
    .join('\n');
}

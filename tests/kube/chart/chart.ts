// The chart as Helm renders it without a cluster, as objects that tests can ask.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { helm } from '../tools/helm.ts';

export const chartDir = fileURLToPath(new URL('../../../charts/resproxy/', import.meta.url));
/** One file for each way to install. */
export const matrix = readdirSync(`${chartDir}ci`).sort();
const boundMs = 30_000;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    /** Of an object in a cluster. */
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** What a test sets: a file of the matrix, and values on top of it. */
export interface Values {
  readonly file?: string;
  readonly set?: Readonly<Record<string, unknown>>;
}

export class Rendered {
  readonly manifests: readonly Manifest[];

  constructor(yaml: string) {
    this.manifests = parseManifests(yaml);
  }

  all(kind: string): readonly Manifest[] {
    return this.manifests.filter((manifest) => manifest.kind === kind);
  }

  /** The one of that kind, and of that name below the release's when there are several. */
  one(kind: string, name?: string): Manifest {
    const found = this.all(kind).filter(
      ({ metadata }) => name === undefined || metadata.name === `demo-resproxy-${name}`,
    );
    const [manifest] = found;
    if (manifest && found.length === 1) return manifest;
    throw new Error(`${found.length} ${kind} ${name ?? ''} in: ${this.names().join(' ')}`);
  }

  names(): readonly string[] {
    return this.manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  }
}

const renderedFiles = new Map<string, Rendered>();

/** A file of the matrix, by its name without the ending; rendered once. */
export function fileOf(name: string): Rendered {
  const rendered = renderedFiles.get(name) ?? render({ file: `${name}.yaml` });
  renderedFiles.set(name, rendered);
  return rendered;
}

/** Release `demo` in namespace `home`. */
export function render(values: Values = {}): Rendered {
  const { status, stdout, stderr } = template(values);
  if (status !== 0) throw new Error(stderr);
  return new Rendered(stdout);
}

/** What Helm says when it refuses the values; empty when it takes them. */
export function refusal(values: Values): string {
  const { status, stderr } = template(values);
  return status === 0 ? '' : stderr;
}

/** `--set-json` for each value, so that types are those of the test. */
export function valueFlags({ file, set = {} }: Values): string[] {
  const files = file === undefined ? [] : ['--values', `${chartDir}ci/${file}`];
  return [
    ...files,
    ...Object.entries(set).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`]),
  ];
}

export function parseManifests(yaml: string): readonly Manifest[] {
  return parseAllDocuments(yaml)
    .map((document) => {
      if (document.errors[0]) throw document.errors[0];
      return document.toJS() as Manifest | null;
    })
    .filter((manifest) => manifest !== null);
}

/** What lies at a path such as `spec.template.spec.containers.0.env`. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((found, key) => (found as Record<string, unknown> | undefined)?.[key], value);
}

export function podOf(deployment: Manifest): unknown {
  return at(deployment, 'spec.template.spec');
}

/** What lies in a Secret under that key. */
export function secretText({ data }: Manifest, key: string): string {
  return Buffer.from((data as Record<string, string>)[key] ?? '', 'base64').toString();
}

/** Settings by name; those that come from elsewhere as the object that says where. */
export function envOf(manifest: Manifest): Readonly<Record<string, unknown>> {
  const env = at(manifest, 'spec.template.spec.containers.0.env') as {
    name: string;
    value?: string;
    valueFrom?: unknown;
  }[];
  return Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));
}

function template(values: Values) {
  const args = ['template', 'demo', chartDir, '--namespace', 'home', ...valueFlags(values)];
  return spawnSync(helm(), args, { encoding: 'utf8', timeout: boundMs });
}

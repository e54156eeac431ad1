// Reads as much of a Dockerfile and its .dockerignore as ours use, so that a test can go through the same steps without
// a Docker daemon. An instruction that it does not know is an error, not a step left out.
import { posix } from 'node:path';

export type Step =
  | { readonly kind: 'run'; readonly folder: string; readonly command: string }
  | {
      readonly kind: 'copy';
      /** A stage; undefined for the build's own folder. */
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly target: string;
    };

export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly steps: readonly Step[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the next step, or the program, runs. */
  readonly folder: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

type Draft = { -readonly [K in keyof Stage]: Stage[K] extends readonly (infer T)[] ? T[] : Stage[K] };

const passedOver = new Set(['LABEL', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK']);

export function parseDockerfile(text: string): readonly Stage[] {
  const stages: Draft[] = [];
  for (const line of logicalLines(text)) {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    const stage = stages.at(-1);
    if (name === 'FROM') stages.push(newStage(rest, stages.length));
    else if (!stage) throw new Error(`before the first FROM: ${line}`);
    else apply(stage, name, rest);
  }
  return stages;
}

function logicalLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

function newStage(rest: string, index: number): Draft {
  const [, base = '', name = String(index)] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
  return { name, base, steps: [], env: {}, folder: '/', user: 'root', entrypoint: [], command: [] };
}

function apply(stage: Draft, name: string, rest: string): void {
  if (name === 'RUN') stage.steps.push({ kind: 'run', folder: stage.folder, command: rest });
  else if (name === 'COPY') stage.steps.push(copyStep(stage, rest));
  else if (name === 'WORKDIR') stage.folder = posix.resolve(stage.folder, rest);
  else if (name === 'ENV') stage.env = { ...stage.env, ...parseEnv(rest) };
  else if (name === 'USER') stage.user = rest;
  else if (name === 'ENTRYPOINT') stage.entrypoint = JSON.parse(rest) as string[];
  else if (name === 'CMD') stage.command = JSON.parse(rest) as string[];
  else if (!passedOver.has(name)) throw new Error(`not an instruction that this reader knows: ${name} ${rest}`);
}

function copyStep({ folder }: Draft, rest: string): Step {
  const words = rest.split(/\s+/);
  const [, from] = /^--from=(\S+)$/.exec(words[0] ?? '') ?? [];
  if (from !== undefined) words.shift();
  const target = words.pop() ?? '';
  if (words.length === 0 || words.some((word) => word.startsWith('--'))) throw new Error(`COPY ${rest}`);
  // A target that ends in a slash is a folder, and stays one.
  const end = target.endsWith('/') ? '/' : '';
  return { kind: 'copy', from, sources: words, target: posix.resolve(folder, target) + end };
}

function parseEnv(rest: string): Record<string, string> {
  return Object.fromEntries(rest.split(/\s+/).map((pair) => pair.split('=', 2)));
}

/** Whether a path of the build's folder stays out of the build: the last pattern that fits it, or a folder of it, wins. */
export function ignoredBy(dockerignore: string): (path: string) => boolean {
  const lines = dockerignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const patterns = lines.map((line) => ({ back: line.startsWith('!'), fits: globToRegExp(line.replace(/^!/, '')) }));
  return (path) => patterns.findLast(({ fits }) => fits.test(path))?.back === false;
}

/** `*` stops at a slash and takes names that begin with a dot, as Docker has it. */
function globToRegExp(glob: string): RegExp {
  const source = glob
    .split(/(\*\*\/|\*)/)
    .map((part) =>
      part === '*' ? '[^/]*' : part === '**/' ? '(?:.*/)?' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'),
    );
  return new RegExp(`^${source.join('')}(?:/|$)`);
}

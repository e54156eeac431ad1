// The image without a Docker daemon: the Dockerfile's own steps in an empty folder, which then stands for the image's
// file system. Only what copies from the project or installs packages is done; what needs the base image's users is not.
import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, readFile, rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ignoredBy, parseDockerfile, type Stage, type Step } from '../../scripts/dockerfile.ts';
import { ownEnv } from './own-env.ts';
import { Program, projectDir } from './process.ts';
import { TempDir } from './temp.ts';
import { tool } from './tools.ts';

const run = promisify(execFile);
const installBoundMs = 240_000;
const runBoundMs = 50_000;
/** Nobody: owns no file, and may write nowhere that is not everybody's. */
const stranger = 65_534;
const isRoot = process.getuid?.() === 0;

export interface StartOptions {
  /** What runs in the image instead of its entry point, as a pod's `command`. */
  readonly entrypoint?: readonly string[];
  /** A command that runs it elsewhere, such as among other mounts. */
  readonly prefix?: readonly string[];
}

export class ImageFolder {
  readonly #dir: TempDir;
  readonly #image: Stage;

  private constructor(dir: TempDir, image: Stage) {
    this.#dir = dir;
    this.#image = image;
  }

  static async build(): Promise<ImageFolder> {
    const stages = parseDockerfile(await readFile(join(projectDir, 'Dockerfile'), 'utf8'));
    const image = stages.at(-1);
    if (!image) throw new Error('the Dockerfile has no stage');
    const folder = new ImageFolder(await TempDir.make(), image);
    try {
      const before = stages.filter((stage) => stage !== image);
      for (const stage of stages) await folder.#make(stage, before.includes(stage));
      for (const { name } of before) await rm(join(folder.#dir.path, name), { recursive: true });
      await folder.#seal();
    } catch (error) {
      await folder.close();
      throw error;
    }
    return folder;
  }

  /** A path of the image, on this machine. */
  path(inImage: string): string {
    return join(this.#dir.path, this.#image.name, inImage);
  }

  /** Runs one of the image's programs as the image does: its settings, its folder, and a user that owns none of it. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    { entrypoint, prefix = [] }: StartOptions = {},
  ): Program {
    const [command = '', ...rest] = this.#command(args, entrypoint);
    const name = args.join(' ');
    return new Program({ name, command, args: rest, cwd: this.#dataDir, env: this.#env(env), prefix });
  }

  /** The same, to its end; what it wrote to stdout. */
  async output(args: readonly string[]): Promise<string> {
    const [command = '', ...rest] = this.#command(args);
    const { stdout } = await run(command, rest, { cwd: this.#dataDir, env: this.#env({}), timeout: runBoundMs });
    return stdout;
  }

  async close(): Promise<void> {
    await run('chmod', ['-R', 'u+w', this.#dir.path]);
    await this.#dir.close();
  }

  get #dataDir(): string {
    return this.path(this.#image.folder);
  }

  #command(args: readonly string[], entrypoint = this.#image.entrypoint): readonly string[] {
    const [node = '', ...entry] = entrypoint;
    const line = [this.path(join('usr/local/bin', node)), ...entry.map((word) => this.#here(word)), ...args];
    const user = String(stranger);
    // It ends with the tests, however those end.
    const end = ['--pdeathsig', 'KILL'];
    return isRoot ? [tool('setpriv'), '--reuid', user, '--regid', user, '--clear-groups', ...end, ...line] : line;
  }

  #env(more: Readonly<Record<string, string>>): Record<string, string> {
    return { HOME: this.#dataDir, ...this.#image.env, ...more };
  }

  #here(word: string): string {
    return word.startsWith('/') ? this.path(word) : word;
  }

  async #make(stage: Stage, runs: boolean): Promise<void> {
    for (const step of stage.steps) {
      if (step.kind === 'copy') await this.#copy(stage, step);
      else if (runs) await this.#run(stage, step);
    }
  }

  async #copy({ name }: Stage, { from, sources, target }: Extract<Step, { kind: 'copy' }>): Promise<void> {
    const isIgnored = ignoredBy(await readFile(join(projectDir, '.dockerignore'), 'utf8'));
    const base = from === undefined ? projectDir : join(this.#dir.path, from);
    for (const source of sources) {
      const path = join(base, source);
      const to = join(
        this.#dir.path,
        name,
        target,
        target.endsWith('/') ? source.slice(source.lastIndexOf('/') + 1) : '',
      );
      const filter = (each: string) => from !== undefined || !isIgnored(each.slice(projectDir.length));
      await cp(path, to, { recursive: true, filter, verbatimSymlinks: true });
    }
  }

  /** With this Node first on the PATH, and npm from wherever it is. */
  async #run({ name }: Stage, { folder, command }: Extract<Step, { kind: 'run' }>): Promise<void> {
    const cwd = join(this.#dir.path, name, folder);
    await mkdir(cwd, { recursive: true });
    const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
    await run('/bin/sh', ['-c', command], { cwd, env: { ...ownEnv(), PATH }, timeout: installBoundMs });
  }

  /** Puts Node where the base image has it, makes the data folder, and takes the right to write from all the rest. */
  async #seal(): Promise<void> {
    const root = this.path('/');
    await mkdir(join(root, 'usr/local/bin'), { recursive: true });
    await copyFile(process.execPath, join(root, 'usr/local/bin/node'));
    await run('chmod', ['-R', 'a+rX,a-w', root]);
    await chmod(this.#dir.path, 0o711);
    await chmod(root, 0o755);
    await mkdir(this.#dataDir, { recursive: true });
    if (isRoot) await run('chown', [String(stranger), this.#dataDir]);
    await chmod(root, 0o555);
  }
}

// The sources beside the packages that they need to run and no others: what runs where nobody builds an image.
import { execFile } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ownEnv } from './own-env.ts';
import { Program, projectDir } from './process.ts';
import { TempDir } from './temp.ts';

const run = promisify(execFile);
const installBoundMs = 240_000;
const runBoundMs = 50_000;
const parts = ['package.json', 'package-lock.json', '.npmrc', 'cmd', 'gen', 'internal'];

export class SourceFolder {
  readonly #dir: TempDir;

  private constructor(dir: TempDir) {
    this.#dir = dir;
  }

  static async install(): Promise<SourceFolder> {
    const dir = await TempDir.make();
    try {
      for (const part of parts) await cp(join(projectDir, part), dir.file(part), { recursive: true });
      const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
      const options = { cwd: dir.path, env: { ...ownEnv(), PATH }, timeout: installBoundMs };
      await run('/bin/sh', ['-c', 'npm ci --omit=dev'], options);
      return new SourceFolder(dir);
    } catch (error) {
      await dir.close();
      throw error;
    }
  }

  start([name = '', ...args]: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    return new Program({ name, args: [this.#script(name), ...args], cwd: this.#dir.path, env });
  }

  /** To its end; what it wrote to stdout. */
  async output([name = '', ...args]: readonly string[]): Promise<string> {
    const options = { cwd: this.#dir.path, env: {}, timeout: runBoundMs };
    const { stdout } = await run(process.execPath, [this.#script(name), ...args], options);
    return stdout;
  }

  close(): Promise<void> {
    return this.#dir.close();
  }

  #script(name: string): string {
    return this.#dir.file(`cmd/${name}/main.ts`);
  }
}

// One program of `npm start` as a child process: what it logs goes to a file, what it says about its doors is listened
// for, and its end, wanted or not, is told. It dies with its parent (die-with-parent.mjs).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ChildOptions {
  readonly name: string;
  /** Relative to the project. */
  readonly script: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
}

type LogLine = Readonly<Record<string, unknown>>;

const projectDir = fileURLToPath(new URL('../../', import.meta.url));
const preload = new URL('./die-with-parent.mjs', import.meta.url).href;
/** Ctrl-C in a terminal reaches every process of the group; these are stopped in order, by us. */
const ownGroup = process.platform !== 'win32';
const keptComplaints = 3;

export class Child {
  readonly name: string;
  /** Resolves when it has ended, with why. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  readonly #log: WriteStream;
  readonly #complaints: string[] = [];
  #onLine: ((line: LogLine) => void) | undefined;

  constructor({ name, script, cwd, env, logFile }: ChildOptions) {
    this.name = name;
    this.#log = createWriteStream(logFile, { mode: 0o600 });
    this.#process = spawn(process.execPath, ['--import', preload, `${projectDir}${script}`], {
      cwd,
      env,
      detached: ownGroup,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#readLines();
    this.ended = this.#end();
  }

  /** Calls `onLine` with every JSON line from now on. */
  onLine(onLine: (line: LogLine) => void): void {
    this.#onLine = onLine;
  }

  /** Asks it to drain, and kills it when it has not ended within the bound. */
  async stop(boundMs: number): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), boundMs);
    await this.ended;
    clearTimeout(timer);
  }

  #readLines(): void {
    const { stdout, stderr } = this.#process;
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.#take(line));
    if (stderr) {
      createInterface({ input: stderr }).on('line', (line) => {
        this.#log.write(`${line}\n`);
        if (this.#complaints.length < keptComplaints) this.#complaints.push(line);
      });
    }
  }

  #take(text: string): void {
    this.#log.write(`${text}\n`);
    if (this.#onLine && text.startsWith('{')) this.#onLine(JSON.parse(text) as LogLine);
  }

  /**
   * Not on 'close': a child whose IPC channel the parent closed never emits it (Node 24). What the child wrote last is
   * read to its end all the same.
   */
  async #end(): Promise<string> {
    const outputs = [this.#process.stdout, this.#process.stderr].flatMap((output) =>
      output ? [once(output, 'close')] : [],
    );
    const how = await this.#exit();
    await Promise.all(outputs);
    this.#log.end();
    return this.#complaints.length > 0 ? this.#complaints.join('\n') : `${this.name}: ${how}`;
  }

  #exit(): Promise<string> {
    return new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#complaints.push(error.message);
        resolve('could not be started');
      });
      this.#process.once('exit', (code, signal) => {
        resolve(signal ? `was ended by ${signal}` : `ended with status ${code}`);
      });
    });
  }
}

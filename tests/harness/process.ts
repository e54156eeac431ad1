// A real program of this project as a child process: its own environment and nothing else, its log lines collected,
// its end bounded. What a failing test needs to know of it stands in the error.

import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { defaultBoundMs, within } from './waiting.ts';

export const projectDir = fileURLToPath(new URL('../../', import.meta.url));

/** A JSON line of a program's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ProgramOptions {
  /** What errors call it. */
  readonly name: string;
  /** Script and arguments, the script relative to the project; or any command when `command` says so. */
  readonly args: readonly string[];
  readonly command?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A command that runs the program elsewhere, such as in another network. */
  readonly prefix?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Waiter {
  readonly matches: (line: LogLine) => boolean;
  readonly found: (line: LogLine) => void;
}

const keptLines = 5_000;
const shownLines = 25;
const running = new Set<Program>();

export class Program {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #lines: LogLine[] = [];
  readonly #output: string[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #listeners: ((line: LogLine) => void)[] = [];
  #exit: Exit | undefined;

  constructor({ name, args, command, env = {}, cwd = projectDir, prefix = [] }: ProgramOptions) {
    this.name = name;
    const line = command === undefined ? [process.execPath, ...nodeCommand(args)] : [command, ...args];
    const [file = '', ...rest] = [...prefix, ...line];
    // The preloaded file ends the child when the test process is gone, however it went.
    this.#child = spawn(file, rest, {
      cwd,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
      stdio: command === undefined ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    this.#collect(this.#child.stdout);
    this.#collect(this.#child.stderr);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#output.push(error.message));
      this.#child.once('close', (code, signal) => {
        running.delete(this);
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.name} did not start\n${this.tail()}`);
    return pid;
  }

  get alive(): boolean {
    return this.#exit === undefined;
  }

  /** Everything it wrote so far, a line each. */
  get output(): readonly string[] {
    return this.#output;
  }

  /** The JSON lines it wrote so far. */
  get logs(): readonly LogLine[] {
    return this.#lines;
  }

  /** The first line that matches, from those already written on; rejects when the program ends before it. */
  async waitForLog(
    what: string,
    matches: (line: LogLine) => boolean,
    { boundMs = defaultBoundMs, from = 0 }: { boundMs?: number; from?: number } = {},
  ): Promise<LogLine> {
    const known = this.#lines.slice(from).find(matches);
    if (known) return known;
    const { promise, resolve } = Promise.withResolvers<LogLine>();
    const waiter = { matches, found: resolve };
    this.#waiters.add(waiter);
    const ended = this.exited.then((): never => {
      throw new Error(`${this.name} ended before: ${what}\n${this.tail()}`);
    });
    try {
      return await within(`${this.name}: ${what}`, boundMs, Promise.race([promise, ended]));
    } finally {
      this.#waiters.delete(waiter);
      ended.catch(() => {});
    }
  }

  /** Hears of every JSON line from now on. */
  onLog(listener: (line: LogLine) => void): void {
    this.#listeners.push(listener);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop, kills it when it does not, and says how it ended. */
  async stop(boundMs = defaultBoundMs): Promise<Exit> {
    this.signal('SIGTERM');
    try {
      return await within(`${this.name} stops`, boundMs, this.exited);
    } finally {
      await this.kill();
    }
  }

  async kill(): Promise<Exit> {
    if (this.alive) this.#child.kill('SIGKILL');
    return this.exited;
  }

  /** The last lines, for an error message. */
  tail(): string {
    return `--- ${this.name}\n${this.#output.slice(-shownLines).map(shortened).join('\n')}`;
  }

  #collect(stream: Readable | null): void {
    if (!stream) return;
    createInterface({ input: stream }).on('line', (text) => {
      this.#output.push(text);
      if (this.#output.length > keptLines) this.#output.shift();
      if (text.startsWith('{')) this.#take(text);
    });
  }

  #take(text: string): void {
    const line = parse(text);
    if (!line) return;
    this.#lines.push(line);
    for (const waiter of this.#waiters) if (waiter.matches(line)) waiter.found(line);
    for (const listener of this.#listeners) listener(line);
  }
}

/** Adds what the running programs last said to a test's error. */
export function withTails(error: unknown): Error {
  const seen = error instanceof Error ? error : new Error(String(error));
  const message = [seen.message, ...[...running].map((program) => program.tail())].join('\n');
  // Jest shows the stack, which begins with the message.
  if (seen.stack) seen.stack = seen.stack.replace(seen.message, () => message);
  seen.message = message;
  return seen;
}

function nodeCommand([script = '', ...rest]: readonly string[]): string[] {
  return ['--import', `${projectDir}internal/local/die-with-parent.mjs`, resolve(projectDir, script), ...rest];
}

/** A log line without what every line says. */
function shortened(text: string): string {
  const line = text.startsWith('{') ? parse(text) : undefined;
  if (!line) return text;
  const { level = '', msg, time: _time, pid: _pid, hostname: _hostname, name: _name, ...rest } = line;
  return `${String(level)} ${String(msg)} ${JSON.stringify(rest)}`;
}

function parse(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

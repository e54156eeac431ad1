// One value that lives in a file, or in a few that belong together, and follows them by asking stat: that sees a rename
// over the file and a swap of Kubernetes' symlinks too. A change is taken once it has stood still for one poll, because
// many programs write in place. What does not parse is reported, and the last good value stays.
import { readFile, stat } from 'node:fs/promises';
import type { CancelTimer, Clock } from './clock.ts';

export interface WatchedFileOptions<T> {
  readonly paths: readonly string[];
  readonly clock: Clock;
  /** Gets the text of each path, undefined where there is no such file; throws when that is no good. */
  readonly parse: (texts: readonly (string | undefined)[]) => T;
  /** Called with each value after the first. */
  readonly onChange: (value: T) => void;
  /** Called when a change cannot be used; once per change. */
  readonly onFault: (error: Error) => void;
  readonly pollMs?: number;
  /** A bigger file is a fault. */
  readonly maxBytes?: number;
}

const defaultPollMs = 300;
const defaultMaxBytes = 64 * 1024 * 1024;
/** A file that changes at every poll is read all the same, after this many. */
const maxUnsettledPolls = 3;

export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  #value: { readonly current: T } | undefined;
  /** What stat said of the files when they were last read, and at the last poll. */
  #taken = '';
  #seen = '';
  #unsettledPolls = 0;
  #cancelPoll: CancelTimer | undefined;
  #stopped = false;

  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
  }

  /** The newest good value; only after start. */
  get value(): T {
    if (!this.#value) throw new Error(`${this.#options.paths.join(', ')}: not read yet`);
    return this.#value.current;
  }

  /** Reads the first value, and rejects when it is no good. */
  async start(): Promise<void> {
    this.#seen = await this.#fingerprint();
    this.#taken = this.#seen;
    this.#value = { current: await this.#read() };
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPoll?.();
  }

  /** Looks at the files now. */
  async poll(): Promise<void> {
    const seen = await this.#fingerprint();
    if (seen === this.#taken) return;
    const settled = seen === this.#seen || ++this.#unsettledPolls > maxUnsettledPolls;
    this.#seen = seen;
    if (settled) await this.#take(seen);
  }

  async #take(seen: string): Promise<void> {
    this.#taken = seen;
    this.#unsettledPolls = 0;
    try {
      const current = await this.#read();
      if (this.#stopped) return;
      this.#value = { current };
      this.#options.onChange(current);
    } catch (error) {
      if (!this.#stopped) this.#options.onFault(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancelPoll = this.#options.clock.after(this.#options.pollMs ?? defaultPollMs, () => {
      void this.poll().finally(() => this.#schedule());
    });
  }

  /** Changes whenever one of the files may have. Taken before reading, so that no change falls between the two. */
  async #fingerprint(): Promise<string> {
    return (await Promise.all(this.#options.paths.map(statLine))).join('\n');
  }

  async #read(): Promise<T> {
    const { paths, parse, maxBytes = defaultMaxBytes } = this.#options;
    return parse(await Promise.all(paths.map((path) => readText(path, maxBytes))));
  }
}

async function statLine(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new Error(`${path}: larger than ${maxBytes} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

// Keys from a JSON file, `{"keys": [POLICY, ...]}`, followed while the program runs. No file means no keys: nobody gets
// in until there is one. A file with a fault changes nothing, and the log says where the fault is.
import { stat } from 'node:fs/promises';
import * as z from 'zod';
import type { Clock } from '../../kit/clock.ts';
import { parseJsonText } from '../../kit/json-text.ts';
import type { Logger } from '../../kit/log.ts';
import { WatchedFile } from '../../kit/watched-file.ts';
import type { KeySource } from './key-source.ts';
import { type KeyPolicy, policySchema } from './policy.ts';

export interface FileKeysOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

type Keys = ReadonlyMap<string, KeyPolicy>;

const fileSchema = z.strictObject({ keys: z.array(policySchema).max(100_000, 'are more than 100000') });
const noKeys: Keys = new Map();

export class FileKeys implements KeySource {
  readonly #path: string;
  readonly #log: Logger;
  readonly #file: WatchedFile<Keys>;
  #keys = noKeys;
  #listener: (() => void) | undefined;

  constructor({ path, clock, log }: FileKeysOptions) {
    this.#path = path;
    this.#log = log;
    this.#file = new WatchedFile({
      paths: [path],
      clock,
      parse: ([text]) => this.#parse(text),
      onChange: (keys) => this.#replace(keys),
      onFault: (error) => log.error({ path, fault: error.message }, 'the keys file cannot be used; the keys stay'),
    });
  }

  get keys(): Keys {
    return this.#keys;
  }

  async start(): Promise<void> {
    await this.#file.start();
    this.#keys = this.#file.value;
    await this.#warnWhenReadable();
  }

  stop(): void {
    this.#file.stop();
  }

  /** Looks at the file now. */
  poll(): Promise<void> {
    return this.#file.poll();
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  #parse(text: string | undefined): Keys {
    if (text === undefined) {
      this.#log.warn({ path: this.#path }, 'there is no keys file: no agent can connect');
      return noKeys;
    }
    const { keys, duplicates } = parseKeys(text, this.#path);
    for (const keyId of duplicates)
      this.#log.error({ path: this.#path, keyId }, 'two keys have this id: both are refused');
    return keys;
  }

  #replace(keys: Keys): void {
    this.#keys = keys;
    this.#log.info({ path: this.#path, keys: keys.size }, 'keys read again');
    this.#listener?.();
  }

  async #warnWhenReadable(): Promise<void> {
    const mode = await stat(this.#path).then(
      (stats) => stats.mode,
      () => 0,
    );
    if ((mode & 0o006) !== 0) this.#log.warn({ path: this.#path }, 'everybody on this machine may open the keys file');
  }
}

/** Throws an Error with one line per fault, each naming its place in the file. */
export function parseKeys(text: string, path: string): { keys: Keys; duplicates: ReadonlySet<string> } {
  const file = parseJsonText(text, path, fileSchema);
  const keys = new Map<string, KeyPolicy>();
  const duplicates = new Set<string>();
  for (const policy of file.keys) {
    if (keys.has(policy.id)) duplicates.add(policy.id);
    keys.set(policy.id, policy);
  }
  for (const keyId of duplicates) keys.delete(keyId);
  return { keys, duplicates };
}

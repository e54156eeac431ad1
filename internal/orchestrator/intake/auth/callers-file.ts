// Callers from a JSON file, followed while the program runs. No file means no callers: every call is refused until
// there is one. A file with a fault changes nothing, and the log says where the fault is.
import * as z from 'zod';
import type { Clock } from '../../../kit/clock.ts';
import { digestPattern } from '../../../kit/digest.ts';
import { parseJsonText } from '../../../kit/json-text.ts';
import type { Logger } from '../../../kit/log.ts';
import { WatchedFile } from '../../../kit/watched-file.ts';
import { type Caller, type CallerLoad, freshLoad } from './caller.ts';
import { callerName, limits, scopes } from './caller-schema.ts';
import { type Provider, providers } from './providers.ts';

export interface CallersFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** With those of the first reading, and with every change. */
  readonly onProviders?: (providers: readonly Provider[]) => void;
}

/** By digest. */
type Callers = ReadonlyMap<string, Caller>;

export interface CallersContent {
  readonly callers: Callers;
  readonly providers: readonly Provider[];
}

const callerSchema = z.strictObject({
  name: callerName,
  digest: z.string().regex(digestPattern, 'must be sha256: and 64 hex digits in lower case'),
  tenant: callerName,
  scopes,
  limits,
});
const fileSchema = z.strictObject({
  callers: z.array(callerSchema).max(10_000, 'are more than 10000').default([]),
  providers: providers.default([]),
});

export class CallersFile {
  readonly #options: CallersFileOptions;
  readonly #file: WatchedFile<CallersContent>;
  #callers: Callers = new Map();

  constructor(options: CallersFileOptions) {
    this.#options = options;
    const { path, clock, log } = options;
    this.#file = new WatchedFile({
      paths: [path],
      clock,
      parse: ([text]) => this.#parse(text),
      onChange: (content) => {
        this.#take(content);
        log.info({ path, callers: content.callers.size, providers: content.providers.length }, 'callers read again');
      },
      onFault: (error) =>
        log.error({ path, fault: error.message }, 'the callers file cannot be used; the callers stay'),
    });
  }

  /** Reads the callers, and rejects when the file has a fault. */
  async start(): Promise<void> {
    await this.#file.start();
    this.#take(this.#file.value);
  }

  stop(): void {
    this.#file.stop();
  }

  /** Looks at the file now. */
  poll(): Promise<void> {
    return this.#file.poll();
  }

  byDigest(digest: string): Caller | undefined {
    return this.#callers.get(digest);
  }

  #take({ callers, providers }: CallersContent): void {
    this.#callers = callers;
    this.#options.onProviders?.(providers);
  }

  #parse(text: string | undefined): CallersContent {
    const { path, log } = this.#options;
    if (text === undefined) {
      log.warn({ path }, 'there is no callers file: no caller is known');
      return { callers: new Map(), providers: [] };
    }
    return parseCallers(text, path, this.#callers);
  }
}

/**
 * Throws an Error with one line per fault, each naming its place in the file. A caller that was known `before` by the
 * same name keeps its load, so that a change of the file gives nobody a second allowance.
 */
export function parseCallers(text: string, path: string, before: Callers = new Map()): CallersContent {
  const file = parseJsonText(text, path, fileSchema);
  const loads = new Map<string, CallerLoad>();
  for (const caller of before.values()) loads.set(caller.name, caller.load);
  const callers = new Map<string, Caller>();
  const names = new Set<string>();
  for (const [i, { digest, ...caller }] of file.callers.entries()) {
    if (names.has(caller.name)) throw new Error(`${path}: callers[${i}].name: another caller has it`);
    if (callers.has(digest)) throw new Error(`${path}: callers[${i}].digest: another caller has it`);
    names.add(caller.name);
    callers.set(digest, { ...caller, scopes: new Set(caller.scopes), load: loads.get(caller.name) ?? freshLoad() });
  }
  return { callers, providers: file.providers };
}

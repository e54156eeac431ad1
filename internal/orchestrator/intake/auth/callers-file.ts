// Callers from a JSON file, followed while the program runs. No file means no callers: every call is refused until
// there is one. A file with a fault changes nothing, and the log says where the fault is.
import * as z from 'zod';
import type { Clock } from '../../../kit/clock.ts';
import { digestPattern } from '../../../kit/digest.ts';
import { parseJsonText } from '../../../kit/json-text.ts';
import type { Logger } from '../../../kit/log.ts';
import { WatchedFile } from '../../../kit/watched-file.ts';
import { allScopes, type Caller, type CallerLoad, freshLoad } from './caller.ts';

export interface CallersFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** By digest. */
type Callers = ReadonlyMap<string, Caller>;

const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, underscores and dashes');
const rate = z
  .number('must be a number')
  .min(0.001, 'must be at least 0.001')
  .max(1_000_000, 'must be at most 1000000')
  .default(Number.POSITIVE_INFINITY);
const limitsSchema = z.strictObject({
  maxInFlight: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(1_000_000, 'must be at most 1000000')
    .default(Number.POSITIVE_INFINITY),
  jobsPerSecond: rate,
  jobsPerSecondPerOrigin: rate,
});
const callerSchema = z.strictObject({
  name,
  digest: z.string().regex(digestPattern, 'must be sha256: and 64 hex digits in lower case'),
  tenant: name,
  scopes: z.array(z.enum(allScopes, `must be one of ${allScopes.join(', ')}`)).max(allScopes.length),
  limits: limitsSchema.prefault({}),
});
const fileSchema = z.strictObject({
  callers: z.array(callerSchema).max(10_000, 'are more than 10000'),
  providers: z
    .array(z.unknown())
    .max(0, 'this version knows callers by their digests only; leave the list empty')
    .default([]),
});

export class CallersFile {
  readonly #options: CallersFileOptions;
  readonly #file: WatchedFile<Callers>;
  #callers: Callers = new Map();

  constructor(options: CallersFileOptions) {
    this.#options = options;
    const { path, clock, log } = options;
    this.#file = new WatchedFile({
      paths: [path],
      clock,
      parse: ([text]) => this.#parse(text),
      onChange: (callers) => {
        this.#callers = callers;
        log.info({ path, callers: callers.size }, 'callers read again');
      },
      onFault: (error) =>
        log.error({ path, fault: error.message }, 'the callers file cannot be used; the callers stay'),
    });
  }

  /** Reads the callers, and rejects when the file has a fault. */
  async start(): Promise<void> {
    await this.#file.start();
    this.#callers = this.#file.value;
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

  #parse(text: string | undefined): Callers {
    const { path, log } = this.#options;
    if (text === undefined) {
      log.warn({ path }, 'there is no callers file: no caller is known');
      return new Map();
    }
    return parseCallers(text, path, this.#callers);
  }
}

/**
 * Throws an Error with one line per fault, each naming its place in the file. A caller that was known `before` by the
 * same name keeps its load, so that a change of the file gives nobody a second allowance.
 */
export function parseCallers(text: string, path: string, before: Callers = new Map()): Callers {
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
  return callers;
}

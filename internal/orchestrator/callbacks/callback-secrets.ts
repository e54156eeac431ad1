// The secrets that callbacks are signed with, by tenant, from a JSON file that is followed while the program runs:
// `{"secrets": [{"tenant": "acme", "secrets": ["whsec_..."]}]}`, the newest first. A tenant without one has no
// callbacks.
import * as z from 'zod';
import type { Clock } from '../../kit/clock.ts';
import { parseJsonText } from '../../kit/json-text.ts';
import type { Logger } from '../../kit/log.ts';
import { WatchedFile } from '../../kit/watched-file.ts';
import { callbackLimits } from './callback-limits.ts';
import { parseSecret } from './signature.ts';

export interface SecretSource {
  /** Empty: the tenant has none. */
  of(tenant: string): readonly Buffer[];
}

export interface CallbackSecretsOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

type Secrets = ReadonlyMap<string, readonly Buffer[]>;

const none: readonly Buffer[] = [];
const secretSchema = z.string().transform((text, ctx) => {
  try {
    return parseSecret(text);
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not valid' });
    return z.NEVER;
  }
});
const fileSchema = z.strictObject({
  secrets: z
    .array(
      z.strictObject({
        tenant: z
          .string()
          .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, dashes, underscores'),
        secrets: z.array(secretSchema).min(1, 'must hold one').max(callbackLimits.maxSecrets, 'are more than 4'),
      }),
    )
    .max(100_000, 'are more than 100000'),
});

export class CallbackSecrets implements SecretSource {
  readonly #file: WatchedFile<Secrets>;

  constructor({ path, clock, log }: CallbackSecretsOptions) {
    this.#file = new WatchedFile({
      paths: [path],
      clock,
      parse: ([text]) => parseSecrets(text, path),
      onChange: (secrets) => log.info({ path, tenants: secrets.size }, 'callback secrets read again'),
      onFault: (error) =>
        log.error({ path, fault: error.message }, 'the callback secrets cannot be used; the old stay'),
    });
  }

  start(): Promise<void> {
    return this.#file.start();
  }

  stop(): void {
    this.#file.stop();
  }

  of(tenant: string): readonly Buffer[] {
    return this.#file.value.get(tenant) ?? none;
  }
}

/** No file means no secrets. Throws an Error with one line per fault, none of them with a secret in it. */
function parseSecrets(text: string | undefined, path: string): Secrets {
  if (text === undefined) return new Map();
  return new Map(parseJsonText(text, path, fileSchema).secrets.map(({ tenant, secrets }) => [tenant, secrets]));
}

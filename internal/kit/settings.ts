// Reads a program's settings from the environment, once: every fault is reported together, and the same table
// prints the help. Only the config.ts of a program calls it.
import * as z from 'zod';

export interface Setting<T> {
  /** Takes the text of the variable, or undefined when it is unset or empty. */
  readonly schema: z.ZodType<T, unknown>;
  /** One sentence: meaning, unit, bounds. */
  readonly help: string;
  /** What the help shows as default. */
  readonly shownDefault: string;
}

export type SettingTable = Readonly<Record<string, Setting<unknown>>>;
export type SettingValues<T extends SettingTable> = {
  readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};

/** Thrown with one line per fault, each naming the variable and what to do; never with a value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}

export function readSettings<T extends SettingTable>(table: T, env: NodeJS.ProcessEnv): SettingValues<T> {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, setting] of Object.entries(table)) {
    const text = env[name];
    const parsed = setting.schema.safeParse(text === '' ? undefined : text);
    if (parsed.success) values[name] = parsed.data;
    else faults.push(...parsed.error.issues.map((issue) => `${name}: ${issue.message}`));
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return Object.freeze(values) as SettingValues<T>;
}

export function describeSettings(table: SettingTable): string {
  return Object.entries(table)
    .map(([name, { help, shownDefault }]) => `  ${name} (default: ${shownDefault})\n      ${help}`)
    .join('\n');
}

/** A whole number between the bounds, both included. */
export function integer(
  help: string,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): Setting<number> {
  const message = `must be a whole number from ${min} to ${max}`;
  const schema = z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((n) => n >= min && n <= max, message)
    .default(fallback);
  return { schema, help, shownDefault: String(fallback) };
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time such as 90s, 30m, 24h or 7d, between the bounds; its value is milliseconds. */
export function duration(
  help: string,
  { fallback, minMs, maxMs }: { fallback: string; minMs: number; maxMs: number },
): Setting<number> {
  const schema = z
    .string()
    .default(fallback)
    .transform((value) => {
      const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
      return Number(count) * (unitMs[unit] ?? Number.NaN);
    })
    .refine(
      (ms) => ms >= minMs && ms <= maxMs,
      `must be a time from ${minMs / 1000}s to ${maxMs / 1000}s, such as 24h`,
    );
  return { schema, help, shownDefault: fallback };
}

/** Text, checked by `pattern`; `what` completes "must be ...". */
export function text(
  help: string,
  { fallback, pattern, what }: { fallback: string; pattern: RegExp; what: string },
): Setting<string> {
  const schema = z.string().regex(pattern, `must be ${what}`).default(fallback);
  return { schema, help, shownDefault: fallback === '' ? 'none' : fallback };
}

export function optionalText(help: string): Setting<string | undefined> {
  return { schema: z.string().optional(), help, shownDefault: 'none' };
}

/** Text that `parse` turns into its value; it throws an Error whose message completes "NAME: ...". */
export function parsedText<V>(help: string, parse: (text: string) => V): Setting<V | undefined> {
  const schema = z
    .string()
    .transform((value, ctx): V => {
      try {
        return parse(value);
      } catch (error) {
        ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not valid' });
        return z.NEVER;
      }
    })
    .optional();
  return { schema, help, shownDefault: 'none' };
}

/** A setting of a later version: setting it is a fault, since ignoring it would promise what does not happen. */
export function refused(help: string): Setting<undefined> {
  const schema = z.undefined('is not honoured by this version: unset it') as z.ZodType<undefined, unknown>;
  return { schema, help, shownDefault: 'none' };
}

/** One of a closed list of words. */
export function oneOf<const W extends string>(
  help: string,
  words: readonly [W, ...W[]],
  fallback: NoInfer<W>,
): Setting<W> {
  const schema = z.enum(words, `must be one of ${words.join(', ')}`).default(fallback) as unknown as z.ZodType<
    W,
    unknown
  >;
  return { schema, help, shownDefault: fallback };
}

/** A comma-separated list; `parse` turns one item into its value or throws an Error whose message completes "ITEM: ...". */
export function list<V>(help: string, parse: (item: string) => V, fallback: string): Setting<readonly V[]> {
  const schema = z
    .string()
    .default(fallback)
    .transform((value, ctx) => {
      const items = value.split(',').map((item) => item.trim());
      return items.filter((item) => item !== '').flatMap((item) => parseItem(item, parse, ctx));
    });
  return { schema, help, shownDefault: fallback === '' ? 'none' : fallback };
}

function parseItem<V>(item: string, parse: (item: string) => V, ctx: z.RefinementCtx): V[] {
  try {
    return [parse(item)];
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: `${item}: ${error instanceof Error ? error.message : 'is not valid'}` });
    return [];
  }
}

export const logLevel = oneOf(
  'Least severe line that is written.',
  ['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent'],
  'info',
);

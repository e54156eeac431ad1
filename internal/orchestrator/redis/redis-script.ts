// A Lua script: its name for metrics, its text, and how many keys it takes. Redis knows it by its digest; the text goes
// over the wire only to a Redis that has not seen it.
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly name: string;
  readonly lua: string;
  /** Undefined: any number. All keys of one call carry one hash tag, so that the script runs on Redis Cluster. */
  readonly keys: number | undefined;
  readonly sha: string;
}

/**
 * The text opens, below a line `#!lua` with flags if it has one, with comments that say what goes in and out: a line for
 * each `KEYS[n]`, or one for `KEYS[...]`; the ARGV; and `returns`. The number of keys is read from there.
 */
export function defineScript(name: string, lua: string): RedisScript {
  const lines = lua.trim().split('\n');
  if (lines[0]?.startsWith('#!')) lines.shift();
  const code = lines.findIndex((line) => !line.startsWith('--'));
  const header = lines.slice(0, code);
  const keys = header.flatMap((line) => /^-- KEYS\[(\d+)\]/.exec(line)?.[1] ?? []).map(Number);
  const inOrder = keys.every((key, index) => key === index + 1);
  if (!inOrder || !header.some((line) => /^-- returns/i.test(line))) {
    throw new Error(`the script ${name} does not say its KEYS, in order, and what it returns`);
  }
  const many = header.some((line) => line.startsWith('-- KEYS[...]'));
  return { name, lua, keys: many ? undefined : keys.length, sha: createHash('sha1').update(lua).digest('hex') };
}

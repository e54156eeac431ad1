// A JSON file of settings as its schema sees it: every fault is told at once, each by its place in the file, and never
// with what stands there, which may be a secret.
import type * as z from 'zod';

/** Throws an Error with one line per fault. */
export function parseJsonText<T>(text: string, path: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map((issue) => `${path}: ${place(issue.path)}: ${issue.message}`).join('\n'));
}

/** The parser's own message may quote the file. */
function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${path}: is not JSON`);
  }
}

/** `keys[3].limits.maxConcurrent` */
function place(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text === '' ? 'the file' : text;
}

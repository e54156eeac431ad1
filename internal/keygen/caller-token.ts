// Makes a token for a caller: the token goes to whoever asked, its digest into the callers file, and the token itself
// is kept nowhere.
import * as z from 'zod';
import { digestOf } from '../kit/digest.ts';
import { rewriteFile } from '../kit/rewrite-file.ts';
import type { RandomBytes } from '../orchestrator/keys/key-format.ts';

export const scopes = ['jobs:run', 'jobs:read', 'agents:read', 'agents:admin'] as const;

const named = /^[A-Za-z0-9._-]{1,128}$/;
const nameRule = 'must be 1 to 128 letters, digits, dots, underscores and dashes';

const callerSchema = z.strictObject({
  name: z.string().regex(named, nameRule),
  tenant: z.string().regex(named, nameRule),
  scopes: z.array(z.enum(scopes, `must be of ${scopes.join(', ')}`)).min(1, 'must name one at least'),
});
const fileSchema = z.looseObject({ callers: z.array(z.looseObject({ name: z.string() })).default([]) });

export type CallerInput = z.input<typeof callerSchema>;

const tokenBytes = 32;

/** Returns the token; throws an Error that names the field at fault, or says what is wrong with the file. */
export async function makeCallerToken(path: string, caller: CallerInput, randomBytes: RandomBytes): Promise<string> {
  const checked = callerSchema.safeParse(caller);
  if (!checked.success) {
    throw new Error(checked.error.issues.map(({ path, message }) => `${path[0]?.toString()} ${message}`).join('\n'));
  }
  const token = `rpc_${Buffer.from(randomBytes(tokenBytes)).toString('base64url')}`;
  const entry = { ...checked.data, digest: digestOf(token) };
  await rewriteFile(path, (text = '{}') => withCaller(text, entry, path));
  return token;
}

function withCaller(text: string, entry: CallerInput & { readonly digest: string }, path: string): string {
  const content = parse(text, path);
  if (content.callers.some(({ name }) => name === entry.name)) throw new Error(`${path}: has a caller ${entry.name}`);
  content.callers.push(entry);
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** The parser's own message may quote the file. */
function parse(text: string, path: string): z.infer<typeof fileSchema> {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path}: is not a callers file`);
  }
}

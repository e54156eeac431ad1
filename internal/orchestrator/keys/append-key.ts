// Adds a key to the keys file, which is whole and closed to others at every moment.
import { rewriteFile } from '../../kit/rewrite-file.ts';
import { parseKeys } from './file-keys.ts';
import type { PolicyInput } from './policy.ts';

/** Throws when the file has a fault, or already has a key of that id; the file then stays as it was. */
export function appendKey(path: string, policy: PolicyInput): Promise<void> {
  return rewriteFile(path, (text = '{"keys": []}') => withKey(text, policy, path));
}

function withKey(text: string, policy: PolicyInput, path: string): string {
  const { keys, duplicates } = parseKeys(text, path);
  if (keys.has(policy.id) || duplicates.has(policy.id)) throw new Error(`${path}: has a key with id ${policy.id}`);
  const content = JSON.parse(text) as { keys: unknown[] };
  content.keys.push(policy);
  const written = `${JSON.stringify(content, undefined, 2)}\n`;
  parseKeys(written, path);
  return written;
}

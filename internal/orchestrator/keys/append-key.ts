// Adds a key to the keys file without a moment in which the file is half written, gone, or open to others: a new file
// with what was there and the new key takes the old one's name. A lock file keeps two writers apart.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseKeys } from './file-keys.ts';
import type { PolicyInput } from './policy.ts';

/** Throws when the file has a fault, or already has a key of that id; the file then stays as it was. */
export async function appendKey(path: string, policy: PolicyInput): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await openDraft(draft);
  try {
    try {
      await file.writeFile(withKey(await readIfThere(path), policy, path));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The draft is the lock: `wx` makes it only where there is none. */
async function openDraft(draft: string) {
  try {
    return await open(draft, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${draft} is there: another program adds a key, or one was stopped while it did; remove it then`);
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{"keys": []}';
    throw error;
  }
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

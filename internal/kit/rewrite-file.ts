// Changes a file without a moment in which it is half written, gone, or open to others: a draft beside it takes its name
// at the end. The draft is the lock that keeps two writers apart.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** `change` gets the text, undefined where there is no file; when it throws, the file stays as it was. */
export async function rewriteFile(path: string, change: (text: string | undefined) => string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await openDraft(draft);
  try {
    try {
      await file.writeFile(change(await readIfThere(path)));
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

/** `wx` makes it only where there is none. */
async function openDraft(draft: string) {
  try {
    return await open(draft, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(
      `${draft} is there: another program adds to the file, or one was stopped while it did; remove it then`,
    );
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

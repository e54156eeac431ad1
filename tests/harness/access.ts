// Who may connect and who may ask: the two files that every pod of a test reads, and the keys and tokens of which they
// hold the digests. Whoever changes the keys waits until all pods have read them.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CallerEntry, digestOfToken, type KeyEntry, newKey, newToken } from './credentials.ts';
import type { Program } from './process.ts';
import type { TempDir } from './temp.ts';

/** The name of the key that is there from the start. */
export const firstKey = 'home-1';
const allScopes = ['jobs:run', 'jobs:read', 'agents:read', 'agents:admin'] as const;

export class Access {
  /** Of a caller with every scope, tenant `acme`. */
  readonly token = newToken();
  readonly #keysFile: string;
  readonly #callersFile: string;
  readonly #readers: () => Iterable<Program>;
  readonly #keys = new Map<string, string>();

  private constructor(dir: TempDir, readers: () => Iterable<Program>) {
    this.#keysFile = dir.file('agent-keys.json');
    this.#callersFile = dir.file('callers.json');
    this.#readers = readers;
  }

  /** `readers` are the pods that run when a key changes; `providers` are those of the callers file. */
  static async make(
    dir: TempDir,
    readers: () => Iterable<Program>,
    providers: readonly object[] = [],
  ): Promise<Access> {
    const access = new Access(dir, readers);
    const { key, id, digest } = newKey();
    await writeJson(access.#keysFile, { keys: [{ id, digest, name: firstKey }] });
    const callers = [callerEntry('tester', access.token, 'acme', allScopes)];
    await writeJson(access.#callersFile, { callers, providers });
    access.#keys.set(firstKey, key);
    return access;
  }

  /** The settings by which a pod finds the files. */
  get env(): Record<string, string> {
    return { RESPROXY_KEYS: `file:${this.#keysFile}`, RESPROXY_CALLERS: `file:${this.#callersFile}` };
  }

  /** The key of that name; made when there is none. */
  async key(name: string): Promise<string> {
    return this.#keys.get(name) ?? (await this.addKey({ name }));
  }

  async addKey(entry: Partial<KeyEntry> & { readonly name: string }): Promise<string> {
    const { key, id, digest } = newKey();
    await this.#editKeys((keys) => [...keys, { id, digest, ...entry }]);
    this.#keys.set(entry.name, key);
    return key;
  }

  async revokeKey(name: string): Promise<void> {
    await this.#editKeys((keys) => keys.filter((key) => key.name !== name));
    this.#keys.delete(name);
  }

  async changeKey(name: string, change: Partial<KeyEntry>): Promise<void> {
    await this.#editKeys((keys) => keys.map((key) => (key.name === name ? { ...key, ...change } : key)));
  }

  /** Returns the token; pods read the file within a moment. */
  async addCaller(name: string, tenant: string, scopes: readonly string[]): Promise<string> {
    const token = newToken();
    await this.#editCallers(({ callers }) => ({ callers: [...callers, callerEntry(name, token, tenant, scopes)] }));
    return token;
  }

  /** These providers and no others; pods read the file within a moment. */
  async provide(providers: readonly object[]): Promise<void> {
    await this.#editCallers(() => ({ providers }));
  }

  async #editCallers(edit: (file: CallersJson) => Partial<CallersJson>): Promise<void> {
    const file = (await readJson(this.#callersFile)) as CallersJson;
    await replaceJson(this.#callersFile, { ...file, ...edit(file) });
  }

  async #editKeys(edit: (keys: readonly KeyEntry[]) => readonly KeyEntry[]): Promise<void> {
    const { keys } = (await readJson(this.#keysFile)) as { keys: KeyEntry[] };
    const readers = [...this.#readers()].map((program) => ({ program, from: program.logs.length }));
    await replaceJson(this.#keysFile, { keys: edit(keys) });
    await Promise.all(
      readers.map(({ program, from }) =>
        program.waitForLog('reads its keys', ({ msg }) => msg === 'keys read again', { from }),
      ),
    );
  }
}

interface CallersJson {
  readonly callers: readonly CallerEntry[];
  readonly providers: readonly object[];
}

function callerEntry(name: string, token: string, tenant: string, scopes: readonly string[]): CallerEntry {
  return { name, digest: digestOfToken(token), tenant, scopes };
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'));
}

async function writeJson(file: string, value: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(value), { mode: 0o600 });
}

/** In one step, so that a reader never sees half of it. */
async function replaceJson(file: string, value: unknown): Promise<void> {
  await writeJson(`${file}.new`, value);
  await rename(`${file}.new`, file);
}

// The keys of `npm start`: one for its agent, one for its caller, made on the first run and used again on later ones.
// Each plaintext stands in a file that only its owner can read.
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeAgentKey } from '../keygen/agent-key.ts';
import { makeCallerToken, scopes } from '../keygen/caller-token.ts';
import { digestOf } from '../kit/digest.ts';
import type { RandomBytes } from '../orchestrator/keys/key-format.ts';

export interface DevCredentials {
  readonly keysFile: string;
  readonly callersFile: string;
  readonly agentKeyFile: string;
  readonly agentKey: string;
  readonly tokenFile: string;
  readonly token: string;
  /** Whether this run made any of them. */
  readonly made: boolean;
}

export async function devCredentials(dir: string, randomBytes: RandomBytes): Promise<DevCredentials> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o700);
  const keysFile = join(dir, 'agent-keys.json');
  const callersFile = join(dir, 'callers.json');
  const agentKeyFile = join(dir, 'dev-agent.key');
  const tokenFile = join(dir, 'dev-token');
  const agentKey = await secret(agentKeyFile, keysFile, () => makeAgentKey(keysFile, { name: 'dev' }, randomBytes));
  const token = await secret(tokenFile, callersFile, () =>
    makeCallerToken(
      callersFile,
      { name: `dev-${randomName(randomBytes)}`, tenant: 'dev', scopes: [...scopes] },
      randomBytes,
    ),
  );
  const made = agentKey.made || token.made;
  return { keysFile, callersFile, agentKeyFile, agentKey: agentKey.text, tokenFile, token: token.text, made };
}

/** What the file holds, if the list of digests knows it; else a new one. */
async function secret(file: string, digestsFile: string, make: () => Promise<string>) {
  const text = (await readIfThere(file)).trim();
  if (text !== '' && (await readIfThere(digestsFile)).includes(digestOf(text))) return { text, made: false };
  const fresh = await make();
  await writeFile(file, `${fresh}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return { text: fresh, made: true };
}

/** A caller's name is taken for good; one whose token was lost must not stand in the way of the next. */
function randomName(randomBytes: RandomBytes): string {
  return Buffer.from(randomBytes(4)).toString('hex');
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

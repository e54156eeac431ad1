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
  /** What callbacks of its jobs are signed with. */
  readonly callbackSecretsFile: string;
  /** Whether this run made any of them. */
  readonly made: boolean;
}

const tenant = 'dev';
/** As Standard Webhooks has it: 24 to 64. */
const secretBytes = 32;

export async function devCredentials(dir: string, randomBytes: RandomBytes): Promise<DevCredentials> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o700);
  const keysFile = join(dir, 'agent-keys.json');
  const callersFile = join(dir, 'callers.json');
  const agentKeyFile = join(dir, 'dev-agent.key');
  const tokenFile = join(dir, 'dev-token');
  const agentKey = await secret(agentKeyFile, keysFile, () => makeAgentKey(keysFile, { name: 'dev' }, randomBytes));
  const token = await secret(tokenFile, callersFile, () =>
    makeCallerToken(callersFile, { name: `dev-${randomName(randomBytes)}`, tenant, scopes: [...scopes] }, randomBytes),
  );
  const callbackSecretsFile = join(dir, 'callback-secrets.json');
  if ((await readIfThere(callbackSecretsFile)) === '') await makeCallbackSecret(callbackSecretsFile, randomBytes);
  const made = agentKey.made || token.made;
  const files = { keysFile, callersFile, agentKeyFile, tokenFile, callbackSecretsFile };
  return { ...files, agentKey: agentKey.text, token: token.text, made };
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

async function makeCallbackSecret(file: string, randomBytes: RandomBytes): Promise<void> {
  const secret = `whsec_${Buffer.from(randomBytes(secretBytes)).toString('base64')}`;
  await writeFile(file, `${JSON.stringify({ secrets: [{ tenant, secrets: [secret] }] }, null, 2)}\n`, { mode: 0o600 });
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

// Makes a key for an agent: the key goes to whoever asked, its digest and its policy into the keys file, and the key
// itself is kept nowhere.

import { digestOf } from '../kit/digest.ts';
import { appendKey } from '../orchestrator/keys/append-key.ts';
import { generateKey, type RandomBytes } from '../orchestrator/keys/key-format.ts';
import { type PolicyInput, policySchema } from '../orchestrator/keys/policy.ts';

export type AgentKeyPolicy = Omit<PolicyInput, 'id' | 'digest'>;

/** Returns the key; throws an Error that names the field at fault, or says what is wrong with the file. */
export async function makeAgentKey(path: string, policy: AgentKeyPolicy, randomBytes: RandomBytes): Promise<string> {
  const key = generateKey(randomBytes);
  const entry = { id: key.keyId, digest: digestOf(key.text), ...policy };
  const checked = policySchema.safeParse(entry);
  if (!checked.success) {
    throw new Error(checked.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('\n'));
  }
  await appendKey(path, entry);
  return key.text;
}

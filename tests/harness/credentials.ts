// Keys and tokens as the programs read them from their files.
import { randomBytes } from 'node:crypto';
import { digestOf } from '../../internal/kit/digest.ts';
import { generateKey } from '../../internal/orchestrator/keys/key-format.ts';
import type { PolicyInput } from '../../internal/orchestrator/keys/policy.ts';

export type KeyEntry = PolicyInput;

export interface CallerEntry {
  readonly name: string;
  readonly digest: string;
  readonly tenant: string;
  readonly scopes: readonly string[];
}

export function newKey(): { readonly key: string; readonly id: string; readonly digest: string } {
  const { keyId, text } = generateKey(randomBytes);
  return { key: text, id: keyId, digest: digestOf(text) };
}

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

export { digestOf as digestOfToken } from '../../internal/kit/digest.ts';

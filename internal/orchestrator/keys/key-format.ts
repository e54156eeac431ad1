// How an agent key is written: `rpk_<key id>_<secret>_<checksum>`. The prefix lets a secret scanner find it, the id
// finds its policy, and the checksum tells a mistyped key from a wrong one before it is sent anywhere.
import { crc32 } from 'node:zlib';

export interface AgentKey {
  readonly keyId: string;
  /** The whole key: what the agent presents and what the digest is of. */
  readonly text: string;
}

export type RandomBytes = (size: number) => Uint8Array;

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secretBytes = 32;
/** 62^43 > 2^256. */
const secretLength = 43;
/** 62^6 > 2^32. */
const checksumLength = 6;
/** Ids made apart do not meet: 2^64 of them in 11 characters. */
const idBytes = 8;
const idLength = 11;

/** No underscore: it separates the parts of a key. */
export const keyIdPattern = /^[A-Za-z0-9.-]{1,64}$/;
const keyPattern = new RegExp(
  `^rpk_([A-Za-z0-9.-]{1,64})_[0-9A-Za-z]{${secretLength}}_([0-9A-Za-z]{${checksumLength}})$`,
);
/** Nothing longer is a key. */
export const maxKeyLength: number = 'rpk_'.length + 64 + 1 + secretLength + 1 + checksumLength;

export function generateKey(randomBytes: RandomBytes): AgentKey {
  return formatKey(base62(toBigInt(randomBytes(idBytes)), idLength), randomBytes(secretBytes));
}

export function formatKey(keyId: string, secret: Uint8Array): AgentKey {
  if (!keyIdPattern.test(keyId)) throw new Error('a key id has 1 to 64 letters, digits, dots and dashes');
  if (secret.length !== secretBytes) throw new Error(`a secret has ${secretBytes} bytes`);
  const checked = `rpk_${keyId}_${base62(toBigInt(secret), secretLength)}`;
  return { keyId, text: `${checked}_${checksum(checked)}` };
}

/** Undefined for whatever is not a key, as for a key with a typing error. */
export function parseKey(text: string): AgentKey | undefined {
  if (text.length > maxKeyLength) return undefined;
  const match = keyPattern.exec(text);
  if (!match?.[1]) return undefined;
  const checked = text.slice(0, -checksumLength - 1);
  return checksum(checked) === match[2] ? { keyId: match[1], text } : undefined;
}

function checksum(text: string): string {
  return base62(BigInt(crc32(text)), checksumLength);
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function base62(number: bigint, length: number): string {
  let text = '';
  for (let rest = number; rest > 0n; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text.padStart(length, '0');
}

// The id of a key says which AgentKey it was made for: a digest of the object's uid, and a count. So an orchestrator sees
// by itself that a key stands in the status of the object it was made for, and no object can claim another one's.
import { hash } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^11 > 2^64. */
const ownerLength = 11;
const idPattern = /^([0-9A-Za-z]{11})-([1-9]\d{0,14})$/;

export function keyIdOf(uid: string, count: number): string {
  return `${ownerOf(uid)}-${count}`;
}

export function issuedBy(uid: string, keyId: string): boolean {
  return idPattern.exec(keyId)?.[1] === ownerOf(uid);
}

/** The count in an id; 0 for whatever is no such id. */
export function countOf(keyId: string): number {
  return Number(idPattern.exec(keyId)?.[2] ?? 0);
}

function ownerOf(uid: string): string {
  let text = '';
  const number = hash('sha256', uid, 'buffer').readBigUInt64BE();
  for (let rest = number; rest > 0n; rest /= 62n) text = alphabet.charAt(Number(rest % 62n)) + text;
  return text.padStart(ownerLength, '0').slice(-ownerLength);
}

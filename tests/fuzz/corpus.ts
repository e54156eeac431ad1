// The honest messages that mutants come from: one file each, in hex, or as text where the message is text. What differs
// from run to run, a token and a port, stands in them as a marker of the same length, so that no length changes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const corpusDir = fileURLToPath(new URL('./corpus/', import.meta.url));
export const tokenMarker = 'T'.repeat(43);
export const portMarker = '54321';

export type Kind = 'agent-frames' | 'pod-frames' | 'http' | 'grpc';

export interface Markers {
  readonly token: string;
  /** Of the origin; ports that the system chooses have five digits. */
  readonly port: number;
}

export function readCorpus(kind: Kind, markers: Markers): ReadonlyMap<string, Buffer> {
  const dir = join(corpusDir, kind);
  const names = readdirSync(dir).sort();
  return new Map(names.map((name) => [name.replace(/\.\w+$/, ''), fill(readMessage(join(dir, name)), markers)]));
}

function readMessage(path: string): Buffer {
  const bytes = readFileSync(path);
  return path.endsWith('.hex') ? Buffer.from(bytes.toString('latin1').replace(/\s/g, ''), 'hex') : bytes;
}

function fill(bytes: Buffer, { token, port }: Markers): Buffer {
  if (token.length !== tokenMarker.length || String(port).length !== portMarker.length)
    throw new Error('a token of 43 characters and a port of five digits keep every length');
  const text = bytes.toString('latin1').replaceAll(tokenMarker, token).replaceAll(portMarker, String(port));
  return Buffer.from(text, 'latin1');
}

// Reads an answer's head as it came: names, order and repetition kept, every byte one latin-1 code point.
import type { Header } from './egress-api.ts';

export function readHeaders(raw: readonly Buffer[]): Header[] {
  const headers: Header[] = [];
  for (let i = 1; i < raw.length; i += 2) headers.push({ name: latin1(raw[i - 1]), value: latin1(raw[i]) });
  return headers;
}

function latin1(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('latin1');
}

/** The values of a field, in order. `lowerName` is in lower case. */
export function valuesOf(headers: readonly Header[], lowerName: string): string[] {
  const values: string[] = [];
  for (const { name, value } of headers)
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(value);
  return values;
}

/** The length that the answer announces; undefined when it does not, or not clearly. */
export function announcedLength(headers: readonly Header[]): number | undefined {
  const [length = ''] = valuesOf(headers, 'content-length');
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

// What leaves on one hop: the caller's headers as given, in order, and the few that the agent adds.
import type { RequestTarget } from '../../wire/http-rules.ts';
import { acceptedCodings } from './coding.ts';
import type { Header } from './egress-api.ts';
import type { HopRequest } from './hop.ts';
import { Upload } from './upload.ts';

export interface Outgoing {
  readonly target: RequestTarget;
  readonly method: string;
  /** The caller's, less what redirects took away. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array | Upload | null;
}

/** Host, Connection and a known body's Content-Length are undici's to write. */
export function hopRequest({ target, method, headers, body }: Outgoing, decompress: boolean): HopRequest {
  const flat: string[] = [];
  for (const { name, value } of headers) if (!isNamed(name, 'host')) flat.push(name, value);
  if (decompress && !headers.some(choosesCoding)) flat.push('accept-encoding', acceptedCodings);
  if (body instanceof Upload && body.contentLength !== undefined)
    flat.push('content-length', String(body.contentLength));
  return { method, path: target.pathAndQuery, headers: flat, body };
}

/** A range of bytes is one of the coded answer, which nobody could decode. */
function choosesCoding({ name }: Header): boolean {
  return isNamed(name, 'accept-encoding') || isNamed(name, 'range');
}

function isNamed(name: string, lowerName: string): boolean {
  return name.length === lowerName.length && name.toLowerCase() === lowerName;
}

// Whether the head of an answer is one that an HTTP client can be handed. Agents run in strangers' homes: what they
// send is checked before a door writes it out.
import type { OpenOk } from '../../../gen/resproxy/v1/channel_pb.ts';
import { isFieldValue, isToken } from '../../wire/http-rules.ts';
import { limits } from '../../wire/limits.ts';

/** What is wrong with it, without a value; undefined when nothing is. */
export function headFault(head: OpenOk): string | undefined {
  const { statusCode, headers, finalUrl, body } = head;
  if (statusCode < 200 || statusCode > 999) return 'status out of range';
  if (body.length > limits.maxInlineBodyBytes) return 'inline body too large';
  if (finalUrl.length > limits.maxHeaderBytes) return 'final URL too long';
  if (headers.length > limits.maxHeaders) return 'too many headers';
  let bytes = 0;
  for (const { name, value } of headers) {
    bytes += name.length + value.length;
    if (!isToken(name)) return 'header name is not a token';
    if (!isFieldValue(value)) return 'header value with control characters or beyond latin-1';
  }
  return bytes > limits.maxHeaderBytes ? 'headers too large' : undefined;
}

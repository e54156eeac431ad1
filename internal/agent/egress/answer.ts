// What becomes of an answer's head before it is handed over: bounds that it announces to break, and codings to take
// off. Pure.
import { FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { limits } from '../../wire/limits.ts';
import { type Coding, codingsOf } from './coding.ts';
import type { EgressRequest, Header } from './egress-api.ts';
import { announcedLength, valuesOf } from './head.ts';

export type AnswerPlan =
  | { readonly kind: 'refuse'; readonly code: FailureCode }
  | { readonly kind: 'hand-over'; readonly headers: Header[]; readonly codings: readonly Coding[] };

export function planAnswer(
  request: Pick<EgressRequest, 'decompress' | 'maxResponseBytes'>,
  method: string,
  statusCode: number,
  headers: Header[],
): AnswerPlan {
  if (headers.length > limits.maxHeaders) return tooLarge;
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304) return asItIs(headers);
  // Part of a coded answer cannot be decoded.
  const codings = request.decompress && statusCode !== 206 ? codingsOf(valuesOf(headers, 'content-encoding')) : none;
  if (codings === 'too-many') return { kind: 'refuse', code: FailureCode.DECOMPRESSION_LIMIT };
  if (codings.length > 0) return { kind: 'hand-over', headers: withoutCoding(headers), codings };
  const { maxResponseBytes } = request;
  return maxResponseBytes > 0 && (announcedLength(headers) ?? 0) > maxResponseBytes ? tooLarge : asItIs(headers);
}

const none: readonly Coding[] = [];
const tooLarge: AnswerPlan = { kind: 'refuse', code: FailureCode.RESPONSE_TOO_LARGE };

function asItIs(headers: Header[]): AnswerPlan {
  return { kind: 'hand-over', headers, codings: none };
}

/** Both fields speak of the coded body. */
function withoutCoding(headers: readonly Header[]): Header[] {
  return headers.filter(({ name }) => {
    const lower = name.toLowerCase();
    return lower !== 'content-encoding' && lower !== 'content-length';
  });
}

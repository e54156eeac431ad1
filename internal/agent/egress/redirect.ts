// What a redirect makes of a request, as a browser treats method, body and location. Pure.
import { parseTarget, type RequestTarget } from '../../wire/http-rules.ts';
import type { Header } from './egress-api.ts';

export interface NextRequest {
  readonly target: RequestTarget;
  readonly method: string;
  readonly headers: readonly Header[];
  /** Whether the body goes along. */
  readonly keepsBody: boolean;
}

const statuses = new Set([301, 302, 303, 307, 308]);

export function isRedirect(statusCode: number): boolean {
  return statuses.has(statusCode);
}

/** Undefined: the answer does not say where to in a way that can be followed, and is the caller's to read. */
export function nextRequest(
  current: { readonly target: RequestTarget; readonly method: string; readonly headers: readonly Header[] },
  statusCode: number,
  answer: readonly Header[],
): NextRequest | undefined {
  const target = resolveLocation(answer, current.target.url);
  if (!target) return undefined;
  const becomesGet = losesBody(statusCode, current.method);
  const sameOrigin = target.origin === current.target.origin;
  const headers = current.headers.filter(({ name }) => {
    const lower = name.toLowerCase();
    return !(becomesGet && lower.startsWith('content-')) && (sameOrigin || !credentials.has(lower));
  });
  return { target, method: becomesGet ? 'GET' : current.method, headers, keepsBody: !becomesGet };
}

const credentials = new Set(['authorization', 'cookie']);

/** 303 always, but a HEAD stays one; 301 and 302 after a POST, because every browser does so. */
function losesBody(statusCode: number, method: string): boolean {
  if (statusCode === 303) return method !== 'GET' && method !== 'HEAD';
  return (statusCode === 301 || statusCode === 302) && method === 'POST';
}

/** Exactly one Location that WHATWG resolves to an http or https URL without credentials. */
function resolveLocation(answer: readonly Header[], base: string): RequestTarget | undefined {
  const [location, ...more] = answer.filter(({ name }) => name.length === 8 && name.toLowerCase() === 'location');
  if (!location || more.length > 0) return undefined;
  // Header bytes were read as latin-1; a location beyond ASCII is UTF-8 in practice.
  const resolved = URL.parse(Buffer.from(location.value, 'latin1').toString('utf8'), base);
  const target = resolved && parseTarget(resolved.href);
  return target?.kind === 'target' ? target : undefined;
}

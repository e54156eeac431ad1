// What every door tells a service about a call. A door fills it in from its own protocol; a service never learns which
// protocol that was, but for the name that metrics count by.
import type { Caller, Scope } from './auth/caller.ts';

export type Door = 'grpc' | 'grpc-web' | 'connect' | 'rest';

export interface CallContext {
  readonly door: Door;
  readonly caller: Caller;
  /** The caller's own id of the request, or one made here. */
  readonly requestId: string;
  /** What the transport leaves the call, in milliseconds; undefined when it sets no bound. */
  readonly deadlineMs: number | undefined;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /** As the caller sent it, checked for its form; else empty. */
  readonly traceparent: string;
}

/** What a call needs. */
export interface CallRule {
  /** Undefined: any caller that is known. */
  readonly scope: Scope | undefined;
  /** Whether it counts against the caller's rate of jobs. */
  readonly isJob: boolean;
}

/** W3C Trace Context, version 00. */
const traceparentPattern = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

export function checkedTraceparent(text: string | undefined): string {
  return text !== undefined && traceparentPattern.test(text) ? text : '';
}

/** The caller's id, when it is fit for logs and headers. */
export function checkedRequestId(text: string | undefined): string | undefined {
  return text !== undefined && requestIdPattern.test(text) ? text : undefined;
}

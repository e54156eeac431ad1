// A gRPC call as services see it. What few calls need is read from the metadata only when somebody asks.
import type { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../auth/caller.ts';
import { type CallContext, checkedRequestId, checkedTraceparent } from '../call.ts';

export interface GrpcCallFacts {
  readonly caller: Caller;
  readonly metadata: Metadata;
  /** Unix milliseconds, Infinity when the caller set none. */
  readonly deadlineAt: number;
  readonly newRequestId: () => string;
  readonly wallMs: () => number;
}

/** Under this key the context travels with the metadata from the guard to the handler. */
const contextKey = 'resproxy.context';

export class GrpcContext implements CallContext {
  readonly door = 'grpc';
  readonly caller: Caller;
  readonly #facts: GrpcCallFacts;
  readonly #controller = new AbortController();
  #requestId: string | undefined;
  #answered = false;

  constructor(facts: GrpcCallFacts) {
    this.caller = facts.caller;
    this.#facts = facts;
  }

  get requestId(): string {
    this.#requestId ??= checkedRequestId(this.#header('x-request-id')) ?? this.#facts.newRequestId();
    return this.#requestId;
  }

  get deadlineMs(): number | undefined {
    const { deadlineAt, wallMs } = this.#facts;
    return deadlineAt === Number.POSITIVE_INFINITY ? undefined : deadlineAt - wallMs();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get traceparent(): string {
    return checkedTraceparent(this.#header('traceparent'));
  }

  /** The handler is done: the end of the call, which follows, is no cancellation. */
  answered(): void {
    this.#answered = true;
  }

  /** The call is over. An abort costs more than the rest of the call, so it happens only where somebody still works. */
  over(): void {
    if (!this.#answered) this.#controller.abort();
  }

  #header(name: string): string | undefined {
    return headerOf(this.#facts.metadata, name);
  }
}

/** The value of a header that is given exactly once. */
export function headerOf(metadata: Metadata, name: string): string | undefined {
  const values = metadata.get(name);
  return values.length === 1 ? String(values[0]) : undefined;
}

export function attachContext(metadata: Metadata, context: GrpcContext): void {
  metadata.setOpaque(contextKey, context);
}

export function contextOf(metadata: Metadata): GrpcContext {
  return metadata.getOpaque(contextKey) as GrpcContext;
}

// One job as dispatch runs it, and what comes of it.
import type { ExchangeTimings, Header, OutboundRequest } from '../channel/link.ts';
import type { AttemptRecord } from '../failure/failures.ts';
import type { Code } from '../failure/table.ts';
import type { Target } from '../route/candidate.ts';

export interface RetryRules {
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
}

export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly request: OutboundRequest;
  readonly target: Target;
  /** Whether the origin may see the request twice. */
  readonly idempotent: boolean;
  /** By the clock that dispatch was given. */
  readonly receivedAt: number;
  readonly deadlineAt: number;
  readonly retry: RetryRules;
  readonly traceparent: string;
}

/** The way out that a job took. */
export interface ExitUsed {
  readonly exitId: string;
  readonly agentId: string;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
}

export interface JobTimings extends ExchangeTimings {
  readonly totalUs: number;
}

export interface JobAnswer {
  readonly statusCode: number;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly finalUrl: string;
  readonly exit: ExitUsed;
  readonly attempts: readonly AttemptRecord[];
  readonly timings: JobTimings;
}

/** What a streamed job tells, in order: dispatched and retrying, head, bodies, summary. */
export type JobEvent =
  | { readonly type: 'dispatched'; readonly attempt: number; readonly exit: ExitUsed }
  | { readonly type: 'retrying'; readonly attempt: number; readonly exit: ExitUsed; readonly code: Code }
  | {
      readonly type: 'head';
      readonly statusCode: number;
      readonly headers: readonly Header[];
      readonly finalUrl: string;
    }
  | { readonly type: 'body'; readonly bytes: Uint8Array }
  | {
      readonly type: 'summary';
      readonly exit: ExitUsed;
      readonly attempts: readonly AttemptRecord[];
      readonly timings: JobTimings;
      readonly bodyBytes: number;
    };

/** What the doors ask of dispatch. Both reject with a JobFailure, and with nothing else. */
export interface JobRunner {
  /** The whole answer; an answer that breaks off is tried again elsewhere when the job allows it. */
  run(job: Job, signal: AbortSignal): Promise<JobAnswer>;
  /** The answer as it arrives; once the head is out, nothing is tried again. Leaving the loop cancels the job. */
  stream(job: Job, signal: AbortSignal): AsyncIterable<JobEvent>;
}

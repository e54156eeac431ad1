// How a connection, or the try at one, ended: what the choice of the next delay and the log line are made from.

export type Ending =
  /** The upgrade was answered with something else than 101. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      /** What the orchestrator said, for the log; empty when it said nothing. */
      readonly error: string;
      readonly retryable: boolean;
      readonly retryAfterMs: number;
    }
  /** No connection came about; `why` completes "The orchestrator cannot be reached: ...". */
  | { readonly kind: 'unreachable'; readonly why: string }
  /** HELLO had no answer, or none that this agent can work with. */
  | { readonly kind: 'unwelcome'; readonly why: string; readonly tooOld: boolean }
  /** The connection ended. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** This agent stops and gave up a try. */
  | { readonly kind: 'abandoned' };

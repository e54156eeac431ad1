// The one way in, the same at every door and before a byte of the message is looked at: who calls, may they, and is
// there room.
import type { Clock } from '../../kit/clock.ts';
import { type Allowance, FailureBudget } from '../channel/failure-budget.ts';
import { JobFailure } from '../failure/failures.ts';
import type { Admission } from './admission.ts';
import type { Authenticator } from './auth/authenticator.ts';
import type { Caller } from './auth/caller.ts';
import type { CallRule, Door } from './call.ts';
import type { JobObserver } from './job-observer.ts';

export interface GateOptions {
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  readonly admission: Admission;
  readonly observer: JobObserver;
}

/** What a door shows of a call. */
export interface Visitor {
  readonly door: Door;
  readonly authorization: string | undefined;
  /** Whom failures are counted against; asked only when there is one. */
  address(): string;
  /** The caller is known: its connection may stay. */
  vouch(): void;
}

const tooManyFailures = 'Too many calls without a valid token came from this address.';

/** A service that starts with a stale token, in a few copies, is told what is wrong. */
export const callAllowance: Allowance = { burst: 100, forgivenMs: 600 };

export class Gate {
  readonly #authenticator: Authenticator;
  readonly #admission: Admission;
  readonly #observer: JobObserver;
  readonly #failures: FailureBudget;

  constructor({ clock, authenticator, admission, observer }: GateOptions) {
    this.#authenticator = authenticator;
    this.#admission = admission;
    this.#observer = observer;
    this.#failures = new FailureBudget(clock, callAllowance);
  }

  /**
   * Lets the call in, or throws a JobFailure. Whoever was let in leaves exactly once. A promise only for a caller whose
   * token was not seen lately; it rejects with what would be thrown.
   */
  enter(visitor: Visitor, rule: CallRule): Caller | Promise<Caller> {
    try {
      const found = this.#authenticator.authenticate(visitor.authorization, visitor.door);
      return found instanceof Promise ? this.#enterLater(found, visitor, rule) : this.#admit(found, visitor, rule);
    } catch (error) {
      throw this.#refusal(error, visitor, rule);
    }
  }

  async #enterLater(found: Promise<Caller>, visitor: Visitor, rule: CallRule): Promise<Caller> {
    try {
      return this.#admit(await found, visitor, rule);
    } catch (error) {
      throw this.#refusal(error, visitor, rule);
    }
  }

  leave(caller: Caller): void {
    this.#admission.leave(caller);
  }

  #admit(caller: Caller, visitor: Visitor, rule: CallRule): Caller {
    visitor.vouch();
    if (rule.scope !== undefined && !caller.scopes.has(rule.scope)) throw outOfScope(rule.scope);
    this.#admission.enter(caller, rule.isJob);
    return caller;
  }

  /**
   * What the caller is told. The token was looked at even if the address has failed too often: many callers share one
   * behind a proxy, and one with a stale token must not lock the others out.
   */
  #refusal(error: unknown, visitor: Visitor, rule: CallRule): unknown {
    const told = error instanceof JobFailure && error.code === 'UNAUTHENTICATED' ? this.#spend(error, visitor) : error;
    if (rule.isJob && told instanceof JobFailure) this.#observer.refused(visitor.door, told.code);
    return told;
  }

  #spend(failure: JobFailure, visitor: Visitor): JobFailure {
    const over = this.#failures.spend(visitor.address());
    if (!over) return failure;
    return new JobFailure('RATE_LIMITED', { detail: tooManyFailures, retryAfterMs: over.retryAfterMs });
  }
}

function outOfScope(scope: string): JobFailure {
  const detail = `The caller needs the scope ${scope}.`;
  return new JobFailure('SCOPE_DENIED', { detail, tokenError: 'insufficient_scope' });
}

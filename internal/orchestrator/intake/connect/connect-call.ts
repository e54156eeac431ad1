// One call of Connect or gRPC-Web, from its head to the end of its answer: the gate is passed before a byte of the
// message is read, and the one place where a call ends is where its room is given back.
import { ConnectError, type HandlerContext } from '@connectrpc/connect';
import type { CancelTimer, Clock } from '../../../kit/clock.ts';
import type { Doorway } from '../../../kit/doorway.ts';
import type { Logger } from '../../../kit/log.ts';
import type { AddressRange } from '../../channel/client-address.ts';
import { JobFailure } from '../../failure/failures.ts';
import { asFailure, logDefect } from '../as-failure.ts';
import type { Caller } from '../auth/caller.ts';
import { type CallContext, type CallRule, checkedRequestId, checkedTraceparent } from '../call.ts';
import type { Gate } from '../gate.ts';
import { callerAddress, type Exchange, headerOf, onceOver } from '../http/exchange.ts';
import { putInOurWords, toConnectError } from './connect-failure.ts';
import { timeoutOf } from './timeout.ts';

export interface ConnectCallOptions {
  readonly gate: Gate;
  readonly doorway: Pick<Doorway, 'vouchFor'>;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly trustedProxies: readonly AddressRange[];
  readonly log: Logger;
}

/** The longest that a timer of Node can be set to. */
const longestTimerMs = 2 ** 31 - 1;

export class ConnectCall {
  readonly requestId: string;
  readonly #exchange: Exchange;
  readonly #rule: CallRule;
  readonly #options: ConnectCallOptions;
  readonly #gone = new AbortController();
  readonly #overdue = new AbortController();
  #caller: Caller | undefined;
  #context: CallContext | undefined;
  #cancelDeadline: CancelTimer | undefined;
  #received = false;

  constructor(exchange: Exchange, rule: CallRule, options: ConnectCallOptions) {
    this.#exchange = exchange;
    this.#rule = rule;
    this.#options = options;
    this.requestId = checkedRequestId(headerOf(exchange.request, 'x-request-id')) ?? options.newRequestId();
    onceOver(exchange.response, (answered) => this.#over(answered));
  }

  /** Aborts when the caller goes away. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Lets the call in, or rejects with what its caller is told. */
  async enter({ protocolName, signal }: HandlerContext): Promise<void> {
    // The library's signal aborts with whatever ends the call, right before the caller is told of it.
    signal.addEventListener('abort', () => {
      if (signal.reason instanceof ConnectError) putInOurWords(signal.reason, this.#received);
    });
    try {
      const door = protocolName === 'grpc-web' ? 'grpc-web' : 'connect';
      const entering = this.#enterGate(door);
      const caller = entering instanceof Promise ? await entering : entering;
      if (this.#gone.signal.aborted) {
        this.#options.gate.leave(caller);
        throw new JobFailure('CANCELLED');
      }
      this.#caller = caller;
      this.#context = this.#contextOf(door, caller, timeoutOf(this.#exchange.request, door));
    } catch (error) {
      throw this.told(error);
    }
    if (this.#exchange.expectsContinue) this.#exchange.response.writeContinue();
  }

  /** The service has the request; from now on its context is of use. */
  receive(): CallContext {
    this.#received = true;
    if (!this.#context) throw new Error('a call that was not let in reached its service');
    return this.#context;
  }

  /** The service says no more. A job knows its own deadline, anything else was ended by ours. */
  finish(): void {
    if (this.#overdue.signal.aborted) throw new JobFailure('DEADLINE_EXCEEDED');
  }

  /** Whatever the service threw, as the library tells it. */
  told(error: unknown): ConnectError {
    const failure = asFailure(error);
    logDefect(this.#options.log, failure, this.requestId);
    return toConnectError(failure);
  }

  #enterGate(door: 'connect' | 'grpc-web'): Caller | Promise<Caller> {
    const { request } = this.#exchange;
    const { gate, doorway, trustedProxies } = this.#options;
    const { authorization } = request.headers;
    const address = () => callerAddress(request, trustedProxies);
    const vouch = () => doorway.vouchFor(request.socket);
    return gate.enter({ door, authorization, address, vouch }, this.#rule);
  }

  #over(answered: boolean): void {
    if (this.#caller) this.#options.gate.leave(this.#caller);
    this.#cancelDeadline?.();
    if (!answered) this.#gone.abort();
  }

  #contextOf(door: 'connect' | 'grpc-web', caller: Caller, timeoutMs: number | undefined): CallContext {
    const { clock } = this.#options;
    const deadlineAt = timeoutMs === undefined ? undefined : clock.now() + timeoutMs;
    return {
      door,
      caller,
      requestId: this.requestId,
      signal: timeoutMs === undefined || this.#rule.isJob ? this.signal : this.#endAfter(timeoutMs),
      traceparent: checkedTraceparent(headerOf(this.#exchange.request, 'traceparent')),
      get deadlineMs() {
        return deadlineAt === undefined ? undefined : deadlineAt - clock.now();
      },
    };
  }

  #endAfter(timeoutMs: number): AbortSignal {
    const { clock } = this.#options;
    this.#cancelDeadline = clock.after(Math.min(timeoutMs, longestTimerMs), () => this.#overdue.abort());
    return AbortSignal.any([this.signal, this.#overdue.signal]);
  }
}

// Stands in every call between grpc-js and its handler. Nothing of the message is read before the gate let the caller
// in; the request must be complete in time; and the one place where a call ends is where its room is given back.
import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import type { Doorway } from '../../../kit/doorway.ts';
import { type TimerWheel, WheelTimer } from '../../../kit/timer-wheel.ts';
import { type AddressRange, clientAddress } from '../../channel/client-address.ts';
import { JobFailure } from '../../failure/failures.ts';
import { asFailure } from '../as-failure.ts';
import type { Caller } from '../auth/caller.ts';
import type { CallRule } from '../call.ts';
import type { Gate } from '../gate.ts';
import { inOurWords } from './foreign-status.ts';
import { attachContext, GrpcContext, headerOf } from './grpc-context.ts';
import { type CallEnd, toStatus } from './grpc-failure.ts';

/** Who hears of a call's parts; grpc-js does not export the name. */
type CallListener = Parameters<ServerInterceptingCallInterface['start']>[0];

export interface GuardOptions {
  readonly gate: Gate;
  readonly doorway: Pick<Doorway, 'vouchFor'>;
  readonly wheel: TimerWheel;
  readonly wallMs: () => number;
  readonly newRequestId: () => string;
  readonly trustedProxies: readonly AddressRange[];
  /** From the head of the call to the end of its request. */
  readonly requestTimeoutMs: number;
}

export class GuardedCall extends ServerInterceptingCall implements CallListener {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: GuardOptions;
  readonly #rule: CallRule;
  #listener: CallListener | undefined;
  #context: GrpcContext | undefined;
  #overdue: WheelTimer | undefined;
  #received = false;
  #isOver = false;

  constructor(call: ServerInterceptingCallInterface, rule: CallRule, options: GuardOptions) {
    super(call);
    this.#call = call;
    this.#rule = rule;
    this.#options = options;
    // grpc-js ends a call that it refuses on the inner call itself, past every interceptor.
    const sendStatus = call.sendStatus.bind(call);
    call.sendStatus = (status) => sendStatus(inOurWords(status, this.#received));
  }

  override start(listener: CallListener): void {
    this.#listener = listener;
    this.#call.start(this);
  }

  override sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, callback);
  }

  override sendStatus(status: CallEnd): void {
    this.#call.sendStatus(status);
  }

  /** grpc-js hands on nothing of a call until its listener has the metadata, so it may be kept waiting. */
  onReceiveMetadata(metadata: Metadata): void {
    try {
      const caller = this.#enterGate(metadata);
      if (caller instanceof Promise) void this.#letInLater(caller, metadata);
      else this.#letIn(caller, metadata);
    } catch (error) {
      this.#call.sendStatus(toStatus(asFailure(error)));
    }
  }

  onReceiveMessage(message: unknown): void {
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    this.#received = true;
    if (this.#overdue) this.#options.wheel.cancel(this.#overdue);
    this.#listener?.onReceiveHalfClose();
  }

  /** grpc-js says this once at the end of every call that was started, whatever the end. */
  onCancel(): void {
    this.#isOver = true;
    if (this.#overdue) this.#options.wheel.cancel(this.#overdue);
    if (this.#context) {
      this.#options.gate.leave(this.#context.caller);
      this.#context.over();
    }
    this.#listener?.onCancel();
  }

  #enterGate(metadata: Metadata): Caller | Promise<Caller> {
    const { gate, doorway } = this.#options;
    const authorization = headerOf(metadata, 'authorization');
    const address = () => this.#address(metadata);
    const vouch = () => doorway.vouchFor(this.#call.getConnectionInfo());
    return gate.enter({ door: 'grpc', authorization, address, vouch }, this.#rule);
  }

  async #letInLater(entering: Promise<Caller>, metadata: Metadata): Promise<void> {
    try {
      const caller = await entering;
      if (this.#isOver) this.#options.gate.leave(caller);
      else this.#letIn(caller, metadata);
    } catch (error) {
      this.#call.sendStatus(toStatus(asFailure(error)));
    }
  }

  #letIn(caller: Caller, metadata: Metadata): void {
    const { wheel, wallMs, newRequestId, requestTimeoutMs } = this.#options;
    const deadlineAt = Number(this.#call.getDeadline());
    this.#context = new GrpcContext({ caller, metadata, deadlineAt, newRequestId, wallMs });
    attachContext(metadata, this.#context);
    this.#overdue = new WheelTimer(() => this.#call.sendStatus(toStatus(requestOverdue(requestTimeoutMs))));
    wheel.set(this.#overdue, requestTimeoutMs);
    this.#listener?.onReceiveMetadata(metadata);
  }

  #address(metadata: Metadata): string {
    const { remoteAddress } = this.#call.getConnectionInfo();
    return clientAddress(remoteAddress, headerOf(metadata, 'x-forwarded-for'), this.#options.trustedProxies);
  }
}

function requestOverdue(requestTimeoutMs: number): JobFailure {
  return new JobFailure('DEADLINE_EXCEEDED', { detail: `The request was not complete after ${requestTimeoutMs} ms.` });
}

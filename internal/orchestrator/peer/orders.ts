// Orders to agents of another pod that wait for their answer, each with a deadline. Ids rise, so that an answer which
// comes too late can be told from one that nobody asked for.
import { create } from '@bufbuild/protobuf';
import { type AgentOrderDone, type AgentOrderKind, AgentOrderSchema } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { ProtocolError } from '../../wire/codec.ts';
import type { ControlBody } from '../../wire/mux-api.ts';
import { closeCode } from '../../wire/names.ts';
import { peerLimits } from './peer-limits.ts';

interface Waiting {
  readonly answer: PromiseWithResolvers<number>;
  readonly cancel: CancelTimer;
}

export class Orders {
  readonly #clock: Clock;
  readonly #send: (body: ControlBody) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(clock: Clock, send: (body: ControlBody) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Resolves with how many connections of the agent it reached; rejects after the deadline. */
  give(agentId: string, kind: AgentOrderKind): Promise<number> {
    const orderId = ++this.#lastId;
    const answer = Promise.withResolvers<number>();
    const cancel = this.#clock.after(peerLimits.orderTimeoutMs, () => this.#fail(orderId, 'it did not answer in time'));
    this.#waiting.set(orderId, { answer, cancel });
    this.#send({ case: 'agentOrder', value: create(AgentOrderSchema, { orderId, agentId, kind }) });
    return answer.promise;
  }

  /** Throws a ProtocolError for an answer to no order. */
  done({ orderId, connections }: AgentOrderDone): void {
    if (orderId === 0 || orderId > this.#lastId) {
      throw new ProtocolError(closeCode.protocolError, 'an answer to no order');
    }
    this.#take(orderId)?.answer.resolve(connections);
  }

  failAll(reason: string): void {
    for (const orderId of [...this.#waiting.keys()]) this.#fail(orderId, reason);
  }

  #fail(orderId: number, reason: string): void {
    this.#take(orderId)?.answer.reject(new Error(reason));
  }

  #take(orderId: number): Waiting | undefined {
    const waiting = this.#waiting.get(orderId);
    this.#waiting.delete(orderId);
    waiting?.cancel();
    return waiting;
  }
}

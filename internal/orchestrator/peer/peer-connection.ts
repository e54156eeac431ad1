// One connection between two pods, whichever end dialled: PEER_HELLO both ways, then streams from the one that dialled.
// Ends once, and whoever owns it decides what then.
import { create } from '@bufbuild/protobuf';
import {
  type AgentOrder,
  type AgentOrderDone,
  AgentOrderDoneSchema,
  PeerHelloSchema,
} from '../../../gen/resproxy/v1/channel_pb.ts';
import type { Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { TimerWheel } from '../../kit/timer-wheel.ts';
import type { BufferBudget } from '../../wire/budget.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { Mux } from '../../wire/mux.ts';
import type { ControlBody, MuxObserver } from '../../wire/mux-api.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';
import { outOfPlace, ownHello, type PeerGreeting, readPeerHello } from './peer-hello.ts';
import { peerLimits } from './peer-limits.ts';

/** What all links of a pod share. */
export interface PeerDeps {
  readonly podId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly budget: BufferBudget;
  readonly observer: PeerObserver;
  readonly log: Logger;
}

/** Counts for metrics: bytes and round trips of all links, and how many of this pod's own are up. */
export interface PeerObserver extends MuxObserver {
  linkUp(): void;
  linkDown(): void;
}

interface Owner {
  /** Throws a ProtocolError when this is not who it should be. */
  greeted(greeting: PeerGreeting): void;
  /** Exactly once, greeted or not. */
  ended(end: ConnectionEnd): void;
}

export interface DiallingOwner extends Owner {
  orderDone(done: AgentOrderDone): void;
}

export interface ListeningOwner extends Owner {
  stream(stream: AcceptedStream, podId: string): void;
  /** Answers how many connections of the agent it reached. */
  order(order: AgentOrder, podId: string): number;
}

export type PeerSide =
  | { readonly role: 'opener'; readonly owner: DiallingOwner }
  | { readonly role: 'acceptor'; readonly owner: ListeningOwner };

type State =
  | { readonly name: 'greeting' }
  | { readonly name: 'linked'; readonly podId: string }
  | { readonly name: 'ended' };

export class PeerConnection {
  readonly mux: Mux;
  readonly #side: PeerSide;
  #state: State = { name: 'greeting' };

  /** Says PEER_HELLO at once. */
  constructor(side: PeerSide, transport: FrameTransport, deps: PeerDeps) {
    const { podId, version, clock, random, wheel, budget, observer } = deps;
    this.#side = side;
    this.mux = new Mux({
      role: side.role,
      transport,
      clock,
      random,
      wheel,
      budget,
      observer,
      maxControlQueueBytes: peerLimits.maxControlQueueBytes,
      onControl: (body) => this.#onControl(body),
      onStream: (stream) => this.#onStream(stream),
      onFault: (code, reason) => this.#end({ code, reason, local: true }),
      onEnd: (end) => this.#end(end),
    });
    this.mux.send({ case: 'peerHello', value: create(PeerHelloSchema, ownHello(podId, version)) });
  }

  /** Fails every stream, says why, and closes; the owner hears of it first. */
  close(code: number, reason: string): void {
    this.#end({ code, reason, local: true });
    this.mux.close(code, reason);
  }

  #onControl(body: ControlBody): void {
    try {
      if (this.#state.name === 'greeting') this.#onGreeting(body);
      else if (this.#state.name === 'linked') this.#obey(body, this.#state.podId);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.closeCode, error.message);
    }
  }

  #onGreeting(body: ControlBody): void {
    if (body.case !== 'peerHello') throw outOfPlace(body);
    const greeting = readPeerHello(body.value, this.#side.role);
    this.#state = { name: 'linked', podId: greeting.podId };
    this.mux.start(greeting.agreement);
    this.#side.owner.greeted(greeting);
  }

  #obey(body: ControlBody, podId: string): void {
    const { role, owner } = this.#side;
    if (body.case === 'agentOrder' && role === 'acceptor') {
      const { orderId } = body.value;
      const connections = owner.order(body.value, podId);
      this.mux.send({ case: 'agentOrderDone', value: create(AgentOrderDoneSchema, { orderId, connections }) });
    } else if (body.case === 'agentOrderDone' && role === 'opener') owner.orderDone(body.value);
    else throw outOfPlace(body);
  }

  #onStream(stream: AcceptedStream): void {
    if (this.#side.role === 'acceptor' && this.#state.name === 'linked') {
      this.#side.owner.stream(stream, this.#state.podId);
    }
  }

  #end(end: ConnectionEnd): void {
    if (this.#state.name === 'ended') return;
    this.#state = { name: 'ended' };
    this.#side.owner.ended(end);
  }
}

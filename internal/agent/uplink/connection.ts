// One connection to a pod, from the dial to its end. Its state is one union, and #enter is the only way from one state
// to the next: whatever the last one waited for is called off there.
import { create } from '@bufbuild/protobuf';
import {
  type Drain,
  DrainAckSchema,
  DrainSchema,
  ExitsSchema,
  GoAwaySchema,
  type Hello,
  ResetCode,
  type Welcome,
} from '../../../gen/resproxy/v1/channel_pb.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { TimerWheel } from '../../kit/timer-wheel.ts';
import type { BufferBudget } from '../../wire/budget.ts';
import { limits } from '../../wire/limits.ts';
import { Mux } from '../../wire/mux.ts';
import type { ControlBody, MuxObserver } from '../../wire/mux-api.ts';
import { closeCode } from '../../wire/names.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';
import { type DialResult, type DialTarget, dial } from './dial.ts';
import type { Ending } from './ending.ts';
import type { ExitListInit } from './exits.ts';
import { readWelcome } from './welcome.ts';

type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'dialling'; readonly cancel: CancelTimer }
  | { readonly kind: 'greeting'; readonly mux: Mux; readonly cancel: CancelTimer }
  | { readonly kind: 'welcomed'; readonly mux: Mux }
  /** The pod goes away: it still opens streams until it hears DRAIN_ACK. */
  | Drains<'pod-drains'>
  /** This agent goes away: it looks again and again whether the pod knows and the streams are over. */
  | Drains<'agent-drains'>
  /** The close frame is out. `ending`: what this end knows better than the close code says. */
  | { readonly kind: 'closing'; readonly ending: Ending | undefined; readonly cancel: CancelTimer }
  | { readonly kind: 'ended' };

interface Drains<K> {
  readonly kind: K;
  readonly mux: Mux;
  /** Whether the side that stays has said DRAIN_ACK. */
  readonly acknowledged: boolean;
  readonly untilMs: number;
  readonly cancel: CancelTimer;
}

type Serving = Extract<State, { kind: 'welcomed' | 'pod-drains' | 'agent-drains' }>;

/** How often a draining connection looks whether it is done. */
const drainCheckMs = 25;
/** After its own close frame the agent waits no longer than this for the pod's. */
const lastWordMs = 1_000;
const maxGraceMs = 600_000;

const unobserved: MuxObserver = { bytes() {}, rtt() {}, reset() {}, blocked() {} };

export interface ConnectionListener {
  onWelcome(connection: Connection, welcome: Welcome): void;
  /** The pod asks this agent to move to another pod. */
  onDrain(connection: Connection, drain: Drain): void;
  /** Exactly once. */
  onEnd(connection: Connection, ending: Ending): void;
}

export interface ConnectionOptions {
  readonly target: DialTarget;
  readonly hello: () => Hello;
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly budget: BufferBudget;
  readonly serve: (stream: AcceptedStream) => void;
  /** The grace of this agent's own drain is over: ends every job that is left. */
  readonly endJobs: () => void;
  readonly listener: ConnectionListener;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #state: State = { kind: 'new' };
  #welcomedAt: number | undefined;
  #newerExits: ExitListInit | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  open(): void {
    if (this.#state.kind !== 'new') return;
    const { target, clock } = this.#options;
    this.#enter({ kind: 'dialling', cancel: dial(target, clock, (result) => this.#onDialled(result)) });
  }

  /** Since WELCOME; 0 before. */
  get uptimeMs(): number {
    return this.#welcomedAt === undefined ? 0 : this.#options.clock.now() - this.#welcomedAt;
  }

  /** While HELLO waits for its answer the list is kept, since HELLO carried an older one. */
  sendExits(exits: ExitListInit): void {
    const state = this.#state;
    if (state.kind === 'greeting') this.#newerExits = exits;
    if (state.kind !== 'welcomed' && state.kind !== 'pod-drains') return;
    state.mux.send({ case: 'exits', value: create(ExitsSchema, { exits }) });
  }

  /** Another pod has welcomed this agent: the draining one need not wait for it any longer. */
  acknowledgeDrain(): void {
    const state = this.#state;
    if (state.kind !== 'pod-drains' || state.acknowledged) return;
    this.#awaitPod(state.mux, state.untilMs, true);
    state.mux.send({ case: 'drainAck', value: create(DrainAckSchema) });
  }

  /** Goes away: at once when nothing was agreed yet, otherwise after the streams, or after the grace. */
  leave(graceMs: number): void {
    const state = this.#state;
    switch (state.kind) {
      case 'new':
      case 'dialling':
        return this.#end({ kind: 'abandoned' });
      case 'greeting':
        return this.#close(state.mux, closeCode.drained, 'the agent stops');
      case 'welcomed':
      case 'pod-drains':
        state.mux.send({ case: 'drain', value: create(DrainSchema, { graceMs }) });
        return this.#awaitStreams(state.mux, this.#options.clock.now() + graceMs, false);
      case 'agent-drains':
      case 'closing':
      case 'ended':
    }
  }

  #enter(next: State): void {
    if ('cancel' in this.#state) this.#state.cancel();
    this.#state = next;
  }

  #end(ending: Ending): void {
    if (this.#state.kind === 'ended') return;
    this.#enter({ kind: 'ended' });
    this.#options.listener.onEnd(this, ending);
  }

  #onDialled(result: DialResult): void {
    if (result.kind === 'open') this.#greet(result.transport);
    else this.#end(result.ending);
  }

  #greet(transport: FrameTransport): void {
    const { clock, random, wheel, budget, serve, hello } = this.#options;
    const mux = new Mux({
      role: 'acceptor',
      transport,
      clock,
      random,
      wheel,
      budget,
      observer: unobserved,
      onControl: (body) => this.#onControl(body),
      onStream: serve,
      onEnd: (end) => this.#onMuxEnd(end),
    });
    const cancel = clock.after(limits.helloTimeoutMs, () => this.#onNoWelcome(mux));
    this.#enter({ kind: 'greeting', mux, cancel });
    mux.send({ case: 'hello', value: hello() });
  }

  #onNoWelcome(mux: Mux): void {
    const why = `no WELCOME within ${limits.helloTimeoutMs / 1000} s`;
    this.#close(mux, closeCode.heartbeat, why, { kind: 'unwelcome', why, tooOld: false });
  }

  #onMuxEnd({ code, reason }: ConnectionEnd): void {
    const known = this.#state.kind === 'closing' ? this.#state.ending : undefined;
    this.#end(known ?? { kind: 'closed', code, reason });
  }

  #onControl(body: ControlBody): void {
    const state = this.#state;
    if (state.kind === 'welcomed' || state.kind === 'pod-drains' || state.kind === 'agent-drains') {
      this.#onServingControl(state, body);
    } else if (state.kind === 'greeting') {
      if (body.case === 'welcome') this.#onWelcome(state.mux, body.value);
      else this.#onOutOfPlace(state.mux, body);
    }
  }

  #onServingControl(state: Serving, body: ControlBody): void {
    switch (body.case) {
      case 'drain':
        return this.#onDrain(state, body.value);
      case 'drainAck':
        return this.#onDrainAck(state);
      case 'goAway':
        return this.#onGoAway(state);
      case 'hello':
      case 'welcome':
      case 'exits':
      case 'peerHello':
      case 'agentOrder':
      case 'agentOrderDone':
        return this.#onOutOfPlace(state.mux, body);
    }
  }

  #onOutOfPlace(mux: Mux, body: ControlBody): void {
    this.#close(mux, closeCode.protocolError, `${body.case} is out of place`);
  }

  #onWelcome(mux: Mux, welcome: Welcome): void {
    const reading = readWelcome(welcome);
    if (reading.kind === 'unusable') {
      const { why, tooOld } = reading;
      const code = tooOld ? closeCode.upgradeRequired : closeCode.protocolError;
      return this.#close(mux, code, why, { kind: 'unwelcome', why, tooOld });
    }
    mux.start(reading.agreement);
    this.#welcomedAt = this.#options.clock.now();
    this.#enter({ kind: 'welcomed', mux });
    if (this.#newerExits) this.sendExits(this.#newerExits);
    this.#options.listener.onWelcome(this, welcome);
  }

  /** A pod may say it twice, with another grace. Who stops has no other pod to find first. */
  #onDrain(state: Serving, drain: Drain): void {
    const acknowledged = state.kind !== 'welcomed' && (state.kind === 'agent-drains' || state.acknowledged);
    if (acknowledged) state.mux.send({ case: 'drainAck', value: create(DrainAckSchema) });
    if (state.kind === 'agent-drains') return;
    const graceMs = Math.min(drain.graceMs, maxGraceMs) + limits.closeTimeoutMs;
    this.#awaitPod(state.mux, this.#options.clock.now() + graceMs, acknowledged);
    if (state.kind === 'welcomed') this.#options.listener.onDrain(this, drain);
  }

  #onDrainAck(state: Serving): void {
    if (state.kind === 'agent-drains') this.#awaitStreams(state.mux, state.untilMs, true);
  }

  #onGoAway(state: Serving): void {
    if (state.kind === 'agent-drains') return;
    this.#awaitPod(state.mux, this.#options.clock.now() + limits.closeTimeoutMs, true);
  }

  /** The pod closes; when it does not, this agent does. */
  #awaitPod(mux: Mux, untilMs: number, acknowledged: boolean): void {
    const { clock } = this.#options;
    const close = () => this.#close(mux, closeCode.drained, 'the grace is over');
    const cancel = clock.after(Math.max(0, untilMs - clock.now()), close);
    this.#enter({ kind: 'pod-drains', mux, acknowledged, untilMs, cancel });
  }

  #awaitStreams(mux: Mux, untilMs: number, acknowledged: boolean): void {
    const cancel = this.#options.clock.after(drainCheckMs, () => {
      const done = acknowledged && mux.streamCount === 0;
      if (done || this.#options.clock.now() >= untilMs) this.#depart(mux);
      else this.#awaitStreams(mux, untilMs, acknowledged);
    });
    this.#enter({ kind: 'agent-drains', mux, acknowledged, untilMs, cancel });
  }

  #depart(mux: Mux): void {
    if (mux.streamCount > 0) this.#options.endJobs();
    // What is left has only bytes to send that the pod did not take.
    mux.resetStreams(ResetCode.SHUTDOWN);
    mux.send({ case: 'goAway', value: create(GoAwaySchema) });
    this.#close(mux, closeCode.drained, 'the agent stops');
  }

  #close(mux: Mux, code: number, reason: string, ending?: Ending): void {
    const cancel = this.#options.clock.after(lastWordMs, () => mux.terminate(code, reason));
    this.#enter({ kind: 'closing', ending, cancel });
    mux.close(code, reason);
  }
}

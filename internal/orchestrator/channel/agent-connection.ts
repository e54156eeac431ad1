// One connection of an agent, from the upgrade to its end: who it is, which exits it offers, and whether it takes jobs.
// Its state is one union; HELLO, DRAIN, DRAIN_ACK, GOAWAY, one timer and its owner move it on.
import { create } from '@bufbuild/protobuf';
import {
  type Drain,
  DrainAckSchema,
  DrainSchema,
  type ExitList,
  type Exits,
  GoAwaySchema,
  type Hello,
  WelcomeSchema,
} from '../../../gen/resproxy/v1/channel_pb.ts';
import { WheelTimer } from '../../kit/timer-wheel.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { limits } from '../../wire/limits.ts';
import { Mux } from '../../wire/mux.ts';
import type { ControlBody } from '../../wire/mux-api.ts';
import { closeCode } from '../../wire/names.ts';
import type { OpenedStream } from '../../wire/stream-api.ts';
import type { ConnectionEnd } from '../../wire/transport.ts';
import { AttemptFailure } from '../failure/failures.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import type { LiveExit } from '../registry/live-exit.ts';
import { channelLimits } from './channel-limits.ts';
import type {
  Arrival,
  ConnectionDeps,
  ConnectionOwner,
  DrainOrder,
  Identity,
  WatchedConnection,
} from './connection-api.ts';
import { ConnectionExits } from './connection-exits.ts';
import { readHello } from './hello.ts';
import { IsolationKeys } from './isolation.ts';
import type { ExchangeRequest, Link } from './link.ts';
import type { LinkHost } from './local-link.ts';
import { toOpenRequest } from './open-request.ts';

type State =
  | { readonly name: 'greeting' }
  | { readonly name: 'serving' }
  /** The pod goes away. The agent gets jobs here until it has another pod, and says DRAIN_ACK then. */
  | { readonly name: 'moving' }
  /** Nothing new. The agent's own drain ends when the agent says so, the pod's once it is released and idle. */
  | { readonly name: 'draining'; readonly by: 'pod' | 'agent'; readonly released: boolean }
  | { readonly name: 'ended' };

const isolationSecretBytes = 32;

export class AgentConnection implements WatchedConnection, LinkHost {
  readonly connectionId: string;
  readonly connectedAt: number;
  readonly #deps: ConnectionDeps;
  readonly #owner: ConnectionOwner;
  readonly #observedAddress: string;
  readonly #mux: Mux;
  readonly #exits = new ConnectionExits(this);
  /** HELLO's deadline, later the grace of a drain. */
  readonly #timer = new WheelTimer(() => this.#onTimeout());
  #policy: KeyPolicy;
  #state: State = { name: 'greeting' };
  #identity: Identity | undefined;
  #openExchanges = 0;
  #fenced = false;
  #isolation: IsolationKeys | undefined;

  constructor(connectionId: string, arrival: Arrival, deps: ConnectionDeps, owner: ConnectionOwner) {
    const { clock, random, wheel, budget, observer } = deps;
    this.connectionId = connectionId;
    this.connectedAt = clock.wallMs();
    this.#deps = deps;
    this.#owner = owner;
    this.#policy = arrival.policy;
    this.#observedAddress = arrival.observedAddress;
    this.#mux = new Mux({
      role: 'opener',
      transport: arrival.transport,
      clock,
      random,
      wheel,
      budget,
      observer,
      onControl: (body) => this.#onControl(body),
      onFault: (code, reason) => this.close(code, reason),
      onEnd: (end) => this.#leave(end),
    });
  }

  /** Waits for HELLO. */
  start(): void {
    this.#deps.wheel.set(this.#timer, limits.helloTimeoutMs);
  }

  // What the fleet is told.

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get agentId(): string {
    return this.#identity?.agentId ?? '';
  }

  get instanceId(): string {
    return this.#identity?.instanceId ?? '';
  }

  get connectSeq(): bigint {
    return this.#identity?.connectSeq ?? 0n;
  }

  get epoch(): number {
    return this.#identity?.epoch ?? 0;
  }

  get version(): string {
    return this.#identity?.version ?? '';
  }

  get podId(): string {
    return this.#deps.podId;
  }

  get keyId(): string {
    return this.#policy.id;
  }

  get maxAgents(): number {
    return this.#policy.maxAgents;
  }

  get tenants(): ReadonlySet<string> {
    return this.#policy.tenants;
  }

  get exits(): readonly LiveExit[] {
    return this.#exits.live;
  }

  get draining(): boolean {
    return this.#state.name === 'draining';
  }

  get leaving(): boolean {
    return this.#state.name === 'moving' || this.#state.name === 'draining';
  }

  get lastHeartbeat(): number {
    const { clock } = this.#deps;
    return Math.round(clock.wallMs() - (clock.now() - this.#mux.lastInboundAt));
  }

  get metadata(): Readonly<Record<string, string>> {
    if (!this.#identity) return {};
    const { platform, instanceId, protocol } = this.#identity;
    return { platform, instanceId, protocol: String(protocol) };
  }

  // What links ask and say.

  get takesJobs(): boolean {
    return (this.#state.name === 'serving' || this.#state.name === 'moving') && !this.#mux.ended;
  }

  get fenced(): boolean {
    return this.#fenced;
  }

  get hasFreeStream(): boolean {
    return this.#mux.streamCount < limits.maxStreamsPerConnection;
  }

  linkTo(exitName: string): Link | undefined {
    return this.#exits.linkTo(exitName);
  }

  openStream(request: ExchangeRequest, exitName: string): OpenedStream {
    this.#isolation ??= new IsolationKeys(this.#deps.randomBytes(isolationSecretBytes));
    const open = toOpenRequest(request, exitName, this.#isolation.of(request.tenant));
    try {
      const stream = this.#mux.open(open, request.request.body, request.rest?.totalBytes);
      this.#openExchanges++;
      return stream;
    } catch (cause) {
      throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED', { cause });
    }
  }

  exchangeEnded(): void {
    this.#openExchanges--;
    this.#endWhenDrained();
  }

  // What its owner orders.

  rank(epoch: number): void {
    if (this.#identity) this.#identity = { ...this.#identity, epoch };
  }

  changePolicy(policy: KeyPolicy): void {
    const { name } = this.#policy;
    this.#policy = policy;
    if (!this.#identity) return;
    // The agent's id hangs on the name: it comes back under the new one.
    if (policy.name !== name) return this.close(closeCode.restart, 'the key has another name now');
    this.#exits.review(this.#identity.agentId, policy);
    this.#changed();
  }

  drain({ graceMs, spreadMs, keepServing }: DrainOrder): boolean {
    if (this.#state.name === 'greeting') this.close(closeCode.restart, 'this pod goes away');
    if (this.#state.name !== 'serving' && !(this.#state.name === 'moving' && !keepServing)) return false;
    const value = create(DrainSchema, { graceMs: Math.round(graceMs), spreadMs: Math.round(spreadMs) });
    this.#mux.send({ case: 'drain', value });
    this.#deps.wheel.set(this.#timer, graceMs);
    this.#state = keepServing ? { name: 'moving' } : { name: 'draining', by: 'pod', released: false };
    this.#changed();
    return true;
  }

  release(): void {
    if (!this.leaving || (this.#state.name === 'draining' && this.#state.by === 'agent')) return;
    this.#state = { name: 'draining', by: 'pod', released: true };
    this.#changed();
    this.#endWhenDrained();
  }

  sayGoodbye(): void {
    this.#mux.send({ case: 'goAway', value: create(GoAwaySchema) });
    this.close(closeCode.drained, 'drained');
  }

  close(code: number, reason: string): void {
    if (this.#state.name === 'ended') return;
    // First: whoever hears of a failed exchange must find the connection gone.
    this.#leave({ code, reason, local: true });
    this.#mux.close(code, reason);
  }

  fence(code: number, reason: string): void {
    this.#fenced = true;
    this.close(code, reason);
  }

  // What the agent says.

  #onControl(body: ControlBody): void {
    try {
      this.#obey(body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.closeCode, error.message);
    }
  }

  #obey(body: ControlBody): void {
    if (body.case === 'hello') return this.#onHello(body.value);
    if (!this.#identity) throw new ProtocolError(closeCode.protocolError, `${body.case} before HELLO`);
    switch (body.case) {
      case 'exits':
        return this.#onExits(body.value, this.#identity);
      case 'drain':
        return this.#onDrain(body.value);
      case 'drainAck':
        return this.#onDrainAck();
      case 'goAway':
        return this.close(closeCode.drained, 'the agent leaves');
      case 'welcome':
        throw new ProtocolError(closeCode.protocolError, 'only a pod welcomes');
      case 'peerHello':
      case 'agentOrder':
      case 'agentOrderDone':
        throw new ProtocolError(closeCode.protocolError, `${body.case} is for pods`);
    }
  }

  #onHello(hello: Hello): void {
    if (this.#state.name !== 'greeting') throw new ProtocolError(closeCode.protocolError, 'HELLO twice');
    const greeting = readHello(hello);
    const agentId = `${this.#policy.name}/${greeting.agentName}`;
    this.#exits.offer(present(hello.exits), agentId, this.#policy);
    const admission = this.#owner.admit(this, agentId, greeting);
    if (admission.kind === 'refused') return this.close(admission.code, admission.reason);
    this.#welcome({ ...greeting, agentId, epoch: admission.epoch });
  }

  #welcome(identity: Identity): void {
    this.#identity = identity;
    this.#state = { name: 'serving' };
    this.#deps.wheel.cancel(this.#timer);
    const settings = {
      idlePingMs: limits.idlePingMs,
      busyPingMs: limits.busyPingMs,
      idleDeadMs: limits.idleDeadMs,
      busyDeadMs: limits.busyDeadMs,
      maxStreams: limits.maxStreamsPerConnection,
    };
    const value = create(WelcomeSchema, {
      ...settings,
      connectionId: this.connectionId,
      epoch: BigInt(identity.epoch),
      podId: this.#deps.podId,
      protocol: identity.protocol,
      maxFrameBytes: limits.maxFrameBytes,
      connectionWindow: limits.initialConnectionWindowBytes,
      serverTimeMs: BigInt(Math.round(this.#deps.clock.wallMs())),
      observedAddress: this.#observedAddress,
    });
    this.#mux.send({ case: 'welcome', value });
    this.#mux.start({
      ...settings,
      peerStreamWindow: identity.streamWindow,
      peerConnectionWindow: identity.connectionWindow,
      ownConnectionWindow: limits.initialConnectionWindowBytes,
    });
    this.#owner.welcomed(this);
  }

  #onExits({ exits }: Exits, { agentId }: Identity): void {
    if (this.#exits.offer(present(exits), agentId, this.#policy)) this.#changed();
  }

  #onDrain({ graceMs }: Drain): void {
    this.#mux.send({ case: 'drainAck', value: create(DrainAckSchema) });
    this.#deps.wheel.set(this.#timer, Math.min(graceMs, channelLimits.maxAgentGraceMs) + limits.closeTimeoutMs);
    this.#state = { name: 'draining', by: 'agent', released: true };
    this.#changed();
  }

  #onDrainAck(): void {
    if (!this.leaving) throw new ProtocolError(closeCode.protocolError, 'DRAIN_ACK without DRAIN');
    this.release();
  }

  // The ways on.

  #onTimeout(): void {
    if (this.#state.name === 'greeting') this.#giveUp(closeCode.protocolError, 'no HELLO in time');
    else this.sayGoodbye();
  }

  /** Who says nothing is not waited for to say goodbye. */
  #giveUp(code: number, reason: string): void {
    this.#leave({ code, reason, local: true });
    this.#mux.terminate(code, reason);
  }

  #endWhenDrained(): void {
    if (this.#state.name !== 'draining' || this.#openExchanges > 0) return;
    if (this.#state.by === 'pod' && this.#state.released) this.sayGoodbye();
  }

  #changed(): void {
    for (const exit of this.#exits.live) exit.draining = this.draining;
    this.#owner.changed(this);
  }

  #leave(end: ConnectionEnd): void {
    if (this.#state.name === 'ended') return;
    this.#state = { name: 'ended' };
    this.#deps.wheel.cancel(this.#timer);
    this.#owner.ended(this, end);
  }
}

function present(list: ExitList | undefined): ExitList {
  if (!list) throw new ProtocolError(closeCode.protocolError, 'a list of exits is missing');
  return list;
}

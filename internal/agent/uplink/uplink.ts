// Keeps this agent connected to the orchestrator until it is stopped: dials, dials again after whatever end, and moves
// to another pod before it lets go of one that drains. At most one connection at a time is the current one; those it
// replaced finish their streams by themselves.
import { create } from '@bufbuild/protobuf';
import { type Drain, type Hello, HelloSchema, type Welcome } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import { TimerWheel } from '../../kit/timer-wheel.ts';
import { BufferBudget } from '../../wire/budget.ts';
import { limits } from '../../wire/limits.ts';
import { protocolMax, protocolMin } from '../../wire/names.ts';
import { Connection, type ConnectionListener } from './connection.ts';
import type { DialTarget } from './dial.ts';
import type { Ending } from './ending.ts';
import type { Exits } from './exits.ts';
import type { Jobs } from './jobs.ts';
import type { Journal } from './journal.ts';
import { moveDelayMs, reconnect, reconnectDelayMs } from './reconnect.ts';

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'dialling'; readonly connection: Connection }
  | { readonly kind: 'connected'; readonly connection: Connection }
  /** `moving`: a draining connection still serves meanwhile. */
  | { readonly kind: 'waiting'; readonly moving: boolean; readonly cancel: CancelTimer }
  | { readonly kind: 'stopping'; readonly done: PromiseWithResolvers<void> };

export interface UplinkOptions {
  readonly target: DialTarget;
  readonly agentName: string;
  /** Random per process. */
  readonly instanceId: string;
  /** Such as `linux-x64`. */
  readonly platform: string;
  readonly graceMs: number;
  readonly exits: Exits;
  readonly jobs: Jobs;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  /** Hears this machine's address as the pod sees it. */
  readonly onObservedAddress: (address: string) => void;
}

export class Uplink implements ConnectionListener {
  readonly #options: UplinkOptions;
  readonly #wheel: TimerWheel;
  readonly #budget = new BufferBudget(limits.bufferBudgetBytes);
  /** Every connection that has not ended. */
  readonly #connections = new Set<Connection>();
  #state: State = { kind: 'idle' };
  #connectSeq = 0n;
  /** Connections in a row that did not last. */
  #tries = 0;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#wheel = new TimerWheel(options.clock);
    options.exits.onChange(() => this.#announceExits());
  }

  start(): void {
    if (this.#state.kind === 'idle') this.#dial();
  }

  /** Tells every pod, lets jobs finish within the grace, and closes. Nothing is dialled any more. */
  stop(reason: string): Promise<void> {
    if (this.#state.kind === 'stopping') return this.#state.done.promise;
    const { journal, jobs, graceMs } = this.#options;
    journal.stopping(reason, jobs.running, graceMs);
    const done = Promise.withResolvers<void>();
    this.#enter({ kind: 'stopping', done });
    for (const connection of [...this.#connections]) connection.leave(graceMs);
    this.#resolveIfAlone(done);
    return done.promise;
  }

  onWelcome(connection: Connection, welcome: Welcome): void {
    const { journal, onObservedAddress } = this.#options;
    this.#enter({ kind: 'connected', connection });
    onObservedAddress(welcome.observedAddress);
    journal.connected(welcome);
    for (const other of this.#connections) {
      if (other !== connection) other.acknowledgeDrain();
    }
  }

  onDrain(connection: Connection, { graceMs, spreadMs }: Drain): void {
    if (this.#state.kind !== 'connected' || this.#state.connection !== connection) return;
    this.#options.journal.podDrains(graceMs);
    this.#wait(moveDelayMs(spreadMs, this.#countTry(connection), this.#options.random), true);
  }

  onEnd(connection: Connection, ending: Ending): void {
    this.#connections.delete(connection);
    const state = this.#state;
    if (state.kind === 'stopping') return this.#resolveIfAlone(state.done);
    if (this.#isNeeded(connection)) this.#reconnect(connection, ending);
    else this.#options.journal.drained();
  }

  #enter(next: State): void {
    if (this.#state.kind === 'waiting') this.#state.cancel();
    this.#state = next;
  }

  #dial(): void {
    const { target, clock, random, jobs, journal } = this.#options;
    const connection = new Connection({
      target,
      clock,
      random,
      wheel: this.#wheel,
      budget: this.#budget,
      hello: () => this.#hello(),
      serve: (stream) => jobs.serve(stream),
      endJobs: () => jobs.endAll(),
      listener: this,
    });
    this.#connections.add(connection);
    this.#enter({ kind: 'dialling', connection });
    journal.dialling();
    connection.open();
  }

  #hello(): Hello {
    const { agentName, instanceId, target, platform, exits } = this.#options;
    return create(HelloSchema, {
      agentName,
      instanceId,
      connectSeq: ++this.#connectSeq,
      protocolMin,
      protocolMax,
      version: target.version,
      platform,
      streamWindow: limits.initialStreamWindowBytes,
      connectionWindow: limits.initialConnectionWindowBytes,
      exits: exits.toList(),
    });
  }

  /** Whether no other connection serves in its place. A draining one that ends early makes the move urgent. */
  #isNeeded(connection: Connection): boolean {
    const state = this.#state;
    if (state.kind === 'dialling' || state.kind === 'connected') return state.connection === connection;
    return state.kind === 'waiting' && state.moving && this.#connections.size === 0;
  }

  #reconnect(connection: Connection, ending: Ending): void {
    const delayMs = reconnectDelayMs(ending, this.#countTry(connection), this.#options.random);
    this.#options.journal.reconnecting(ending, delayMs);
    this.#wait(delayMs, false);
  }

  #wait(ms: number, moving: boolean): void {
    this.#enter({ kind: 'waiting', moving, cancel: this.#options.clock.after(ms, () => this.#dial()) });
  }

  /** The tries before this connection, which is one more unless it lasted. */
  #countTry(connection: Connection): number {
    const { uptimeMs } = connection;
    if (uptimeMs >= reconnect.provenAfterMs) this.#tries = 0;
    else if (uptimeMs > 0) this.#tries = Math.min(this.#tries, reconnect.maxTriesOnceWelcome);
    return this.#tries++;
  }

  #announceExits(): void {
    const exits = this.#options.exits.toList();
    for (const connection of this.#connections) connection.sendExits(exits);
  }

  #resolveIfAlone(done: PromiseWithResolvers<void>): void {
    if (this.#connections.size > 0) return;
    this.#options.journal.stopped();
    done.resolve();
  }
}

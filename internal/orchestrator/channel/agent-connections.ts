// Every connection of this pod: who may stay beside whom, here and in the fleet, the way to each exit, and what is asked
// of many at once (a key is revoked, an agent is drained, the pod goes away).
import type { CancelTimer } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { closeCode } from '../../wire/names.ts';
import type { ConnectionEnd } from '../../wire/transport.ts';
import type { KeyListener, Revocation } from '../keys/keyring.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import type { AgentControl } from '../registry/agents.ts';
import { agentIdOf, exitNameOf, keyNameOf } from '../registry/ids.ts';
import type { FleetConnection, FleetListener, Registry, Rival } from '../registry/registry.ts';
import { AgentConnection } from './agent-connection.ts';
import { channelLimits } from './channel-limits.ts';
import type { Admission, Arrival, ConnectionDeps, ConnectionOwner, WatchedConnection } from './connection-api.ts';
import { FlapWatch } from './flap-watch.ts';
import type { Greeting } from './hello.ts';
import { isOvertaken, mustYield, type Newcomer } from './instances.ts';
import type { Link, LinkDirectory } from './link.ts';
import { Roster } from './roster.ts';

export interface AgentConnectionsOptions extends ConnectionDeps {
  readonly registry: Registry;
  readonly log: Logger;
  /** How long one agent that is drained by hand has for its jobs. */
  readonly agentGraceMs: number;
  readonly maxConnections?: number;
}

export interface PodDrain {
  readonly graceMs: number;
  readonly spreadMs: number;
}

const connectionIdBytes = 12;

export class AgentConnections implements ConnectionOwner, LinkDirectory, AgentControl, KeyListener, FleetListener {
  readonly #options: AgentConnectionsOptions;
  readonly #roster = new Roster<WatchedConnection>();
  readonly #flaps: FlapWatch;
  #lastEpoch = 0;
  #flapCount = 0;
  /** Set by drainAll: resolves when the last connection has ended. */
  #emptied: PromiseWithResolvers<void> | undefined;
  #jobsAreOver = false;

  constructor(options: AgentConnectionsOptions) {
    this.#options = options;
    this.#flaps = new FlapWatch(options.clock);
  }

  get size(): number {
    return this.#roster.size;
  }

  /** How often a connection had to go because another program came under the name of its agent. */
  get flaps(): number {
    return this.#flapCount;
  }

  /** Whether another connection may come. */
  get hasRoom(): boolean {
    return !this.#emptied && this.size < (this.#options.maxConnections ?? channelLimits.maxConnections);
  }

  /** Takes over an upgrade that was let in. */
  accept(arrival: Arrival): void {
    const id = Buffer.from(this.#options.randomBytes(connectionIdBytes)).toString('base64url');
    const connection = new AgentConnection(id, arrival, this.#options, this);
    this.#roster.add(connection);
    connection.start();
  }

  linkTo(exitId: string): Link | undefined {
    return this.#roster.newest(agentIdOf(exitId))?.linkTo(exitNameOf(exitId));
  }

  // What connections ask and say.

  admit(connection: WatchedConnection, agentId: string, greeting: Greeting): Admission {
    if (this.#emptied) return refuse(closeCode.restart, 'this pod goes away');
    const present = this.#roster.ofAgent(agentId);
    if (present.some(({ identity }) => identity && isOvertaken(greeting, identity)))
      return refuse(closeCode.replaced, 'this agent has a newer connection');
    if (this.#isTooMany(agentId, connection))
      return refuse(closeCode.overloaded, 'the key has all the agents that it may have');
    return { kind: 'welcome', epoch: this.#guessEpoch(agentId) };
  }

  welcomed(connection: WatchedConnection): void {
    const { registry, log } = this.#options;
    this.#roster.seat(connection);
    registry.put(connection);
    const { agentId, connectionId, version, exits } = connection;
    log.info({ agentId, connectionId, version, exits: exits.length }, 'agent connected');
    this.#replaceOthers(connection);
  }

  changed(connection: WatchedConnection): void {
    this.#options.registry.put(connection);
  }

  ended(connection: WatchedConnection, { code, reason, local }: ConnectionEnd): void {
    const { registry, log } = this.#options;
    this.#roster.remove(connection);
    const { agentId, connectionId } = connection;
    if (connection.identity) registry.remove(connectionId);
    log.info({ agentId, connectionId, code, reason, by: local ? 'pod' : 'agent' }, 'agent connection ended');
    if (this.size === 0) this.#emptied?.resolve();
  }

  // What the fleet says.

  ranked({ agentId, connectionId }: FleetConnection, epoch: number): void {
    this.#find(agentId, connectionId)?.rank(epoch);
    this.#roster.reorder(agentId);
  }

  newerElsewhere({ agentId, connectionId }: FleetConnection, rival: Rival): void {
    const connection = this.#find(agentId, connectionId);
    if (connection) this.#yieldTo(rival, connection);
  }

  /** Of the whole fleet, as far as this pod has heard of it: two pods that welcome one agent each at once do not. */
  #isTooMany(agentId: string, { maxAgents }: WatchedConnection): boolean {
    const { registry } = this.#options;
    return !registry.knows(agentId) && registry.agentsOf(keyNameOf(agentId)) >= maxAgents;
  }

  #find(agentId: string, connectionId: string): WatchedConnection | undefined {
    return this.#roster.ofAgent(agentId).find((connection) => connection.connectionId === connectionId);
  }

  /** Newer than all that this pod knows; with many pods, a guess that holds until the fleet has ranked the connection. */
  #guessEpoch(agentId: string): number {
    const { registry, clock } = this.#options;
    this.#lastEpoch = Math.max(this.#lastEpoch + 1, Math.floor(clock.wallMs() * 1000));
    return Math.max(this.#lastEpoch, registry.newestEpoch(agentId) + 1);
  }

  /** The newcomer takes jobs already, so the agent is never away. */
  #replaceOthers(newcomer: WatchedConnection): void {
    const { agentId, identity } = newcomer;
    for (const other of this.#roster.ofAgent(agentId)) {
      if (other !== newcomer && identity) this.#yieldTo(identity, other);
    }
  }

  #yieldTo(newcomer: Newcomer, present: WatchedConnection): void {
    const { agentId, instanceId, connectSeq, leaving } = present;
    if (!mustYield({ instanceId, connectSeq, leaving }, newcomer)) return;
    present.fence(closeCode.replaced, 'a newer connection of this agent took its place');
    if (instanceId === newcomer.instanceId) return;
    this.#flapCount++;
    if (this.#flaps.replaced(agentId))
      this.#options.log.warn({ agentId }, 'two programs run under the name of this agent and replace each other');
  }

  // What is asked of many.

  onRevoked(keyId: string, why: Revocation): void {
    const connections = this.#roster.ofKey(keyId);
    this.#options.log.info({ keyId, why, connections: connections.length }, 'a key is no longer valid');
    for (const connection of connections) connection.fence(closeCode.unauthenticated, `the key was ${why}`);
  }

  onChanged(policy: KeyPolicy): void {
    for (const connection of this.#roster.ofKey(policy.id)) connection.changePolicy(policy);
  }

  async drain(agentId: string): Promise<number> {
    return this.drainAgent(agentId);
  }

  async disconnect(agentId: string): Promise<number> {
    return this.disconnectAgent(agentId);
  }

  drainAgent(agentId: string): number {
    const order = { graceMs: this.#options.agentGraceMs, spreadMs: 0, keepServing: false };
    return this.#roster.ofAgent(agentId).filter((connection) => connection.drain(order)).length;
  }

  disconnectAgent(agentId: string): number {
    const connections = [...this.#roster.ofAgent(agentId)];
    for (const connection of connections) connection.close(closeCode.restart, 'disconnected by an operator');
    return connections.length;
  }

  /**
   * Moves every agent to another pod, in small steps over the spread: each keeps getting jobs here until it has one.
   * Resolves when all have gone; those that are left when the grace is over are closed.
   */
  drainAll({ graceMs, spreadMs }: PodDrain): Promise<void> {
    if (this.#emptied) return this.#emptied.promise;
    this.#emptied = Promise.withResolvers();
    if (this.size === 0) this.#emptied.resolve();
    const { clock } = this.#options;
    const endsAt = clock.now() + graceMs;
    const cancelGrace = clock.after(graceMs, () => {
      for (const connection of [...this.#roster.all()]) connection.sayGoodbye();
    });
    const cancelSteps = this.#drainInSteps([...this.#roster.all()], spreadMs, endsAt);
    return this.#emptied.promise.finally(() => {
      cancelGrace();
      cancelSteps();
    });
  }

  /** No job can come any more: agents that drain need not wait until they have another pod. */
  endJobs(): void {
    this.#jobsAreOver = true;
    for (const connection of [...this.#roster.all()]) connection.release();
  }

  #drainInSteps(connections: WatchedConnection[], spreadMs: number, endsAt: number): CancelTimer {
    const { clock } = this.#options;
    const stepMs = Math.min(spreadMs, channelLimits.drainStepMs);
    const perStep = stepMs === 0 ? connections.length : Math.ceil((connections.length * stepMs) / spreadMs);
    let cancel: CancelTimer = () => {};
    const step = (): void => {
      for (const connection of connections.splice(0, perStep)) {
        connection.drain({ graceMs: Math.max(0, endsAt - clock.now()), spreadMs: stepMs, keepServing: true });
        if (this.#jobsAreOver) connection.release();
      }
      if (connections.length > 0) cancel = clock.after(stepMs, step);
    };
    step();
    return () => cancel();
  }
}

function refuse(code: number, reason: string): Admission {
  return { kind: 'refused', code, reason };
}

// Which of several operators acts: the one that holds the Lease. Whether it is still held is judged by this process's own
// monotonic clock, from before the request that renewed it, so that neither a wrong wall clock nor a slow answer makes
// two of them. A leader that cannot renew in time writes nothing. It goes on if it then finds that nobody took its place
// (the API server was away), and ends if somebody did (it was frozen, or cut off).
import type { CancelTimer, Clock, Random } from '../kit/clock.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { isFault } from '../kube/kube-error.ts';
import type { Kind, KubeObject } from '../kube/objects.ts';

export interface LeaderOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly name: string;
  /** Of this process, and of no other one ever. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onLeading: () => void;
  readonly onLost: (why: string) => void;
  /** A try that failed, with what went wrong. */
  readonly onFault: (error: unknown) => void;
}

interface Lease extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

type State =
  | { readonly kind: 'standby' }
  | { readonly kind: 'leading'; readonly lease: Lease; readonly renewedAt: number }
  | { readonly kind: 'ended' };

const leases: Kind = { api: '/apis/coordination.k8s.io/v1', plural: 'leases' };
const leaseSeconds = 15;
export const renewDeadlineMs = 10_000;
const retryMs = 2_000;
/** A request that takes longer is given up in time for another one. */
const requestMs = 4_000;

export class Leader {
  readonly #options: LeaderOptions;
  #state: State = { kind: 'standby' };
  /** Whose Lease was seen, in which version, and since when by our clock. */
  #seen: { readonly version: string; readonly at: number } | undefined;
  #cancelTick: CancelTimer | undefined;
  #ticking: Promise<void> = Promise.resolve();

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ticking = this.#tick();
  }

  /** Asked before every write. */
  get leads(): boolean {
    return this.#state.kind === 'leading' && this.#options.clock.now() - this.#state.renewedAt < renewDeadlineMs;
  }

  /** Gives the Lease up, so that a standby need not wait until it runs out. */
  async stop(): Promise<void> {
    this.#cancelTick?.();
    await this.#ticking;
    this.#cancelTick?.();
    const state = this.#state;
    this.#end();
    if (state.kind !== 'leading') return;
    const { holderIdentity: _gone, ...spec } = state.lease.spec;
    const released = { ...state.lease, spec: { ...spec, leaseDurationSeconds: 1, renewTime: this.#time() } };
    await this.#options.client.replace(leases, released, callOptions).catch(this.#options.onFault);
  }

  async #tick(): Promise<void> {
    const { clock, random, onFault } = this.#options;
    try {
      if (this.#state.kind === 'leading') await this.#renew(this.#state.lease);
      else await this.#tryToTake();
    } catch (error) {
      onFault(error);
    }
    if (this.#state.kind === 'ended') return;
    const waitMs = this.#state.kind === 'leading' ? retryMs : retryMs * (1 + 0.2 * random());
    this.#cancelTick = clock.after(waitMs, () => {
      this.#ticking = this.#tick();
    });
  }

  /** The server takes it only while the Lease is as this process wrote it. */
  async #renew(lease: Lease): Promise<void> {
    const begun = this.#options.clock.now();
    const renewed: Lease = { ...lease, spec: { ...lease.spec, renewTime: this.#time() } };
    try {
      this.#hold(await this.#options.client.replace(leases, renewed, callOptions), begun);
    } catch (error) {
      if (!isFault(error, 'conflict', 'not-found')) throw error;
      const now = await this.#read();
      if (now?.spec.holderIdentity !== this.#options.identity) this.#lose('another process holds the Lease');
      else this.#hold(now, this.#heldSince());
    }
  }

  async #tryToTake(): Promise<void> {
    const { client, clock, namespace, name } = this.#options;
    const lease = await this.#read();
    const begun = clock.now();
    if (!lease) {
      const metadata = { name, namespace };
      const made = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: this.#claim(0) };
      this.#hold(await client.create(leases, namespace, made, callOptions), begun);
    } else if (this.#isFree(lease, begun)) {
      const taken = { ...lease, spec: this.#claim((lease.spec.leaseTransitions ?? 0) + 1) };
      this.#hold(await client.replace(leases, taken, callOptions), begun);
    }
  }

  /** Free when given up, or when it stood unchanged for as long as its holder promised to renew it within. */
  #isFree({ metadata, spec }: Lease, now: number): boolean {
    if (!spec.holderIdentity) return true;
    if (this.#seen?.version !== metadata.resourceVersion) this.#seen = { version: metadata.resourceVersion, at: now };
    return now - this.#seen.at >= (spec.leaseDurationSeconds ?? leaseSeconds) * 1_000;
  }

  #claim(transitions: number): Lease['spec'] {
    const now = this.#time();
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: transitions,
    };
  }

  #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    return client.get<Lease>(leases, { namespace, name }, callOptions);
  }

  #hold(lease: Lease, renewedAt: number): void {
    const before = this.#state;
    if (before.kind === 'ended') return;
    this.#state = { kind: 'leading', lease, renewedAt };
    if (before.kind === 'standby') this.#options.onLeading();
  }

  #heldSince(): number {
    return this.#state.kind === 'leading' ? this.#state.renewedAt : 0;
  }

  #lose(why: string): void {
    if (this.#state.kind !== 'leading') return;
    this.#end();
    this.#cancelTick?.();
    this.#options.onLost(why);
  }

  #end(): void {
    this.#state = { kind: 'ended' };
  }

  /** Leases hold microseconds. */
  #time(): string {
    return new Date(this.#options.clock.wallMs()).toISOString().replace('Z', '000Z');
  }
}

const callOptions = { timeoutMs: requestMs, always: true };

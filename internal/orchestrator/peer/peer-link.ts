// This pod's link to one other pod: dialled as soon as the pod is known, kept, and dialled again. Whether it is up is
// what the exits of that pod hang on.
import type { AgentOrderDone, AgentOrderKind } from '../../../gen/resproxy/v1/channel_pb.ts';
import { fullJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer } from '../../kit/clock.ts';
import { ProtocolError } from '../../wire/codec.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import { closeCode } from '../../wire/names.ts';
import type { OpenedStream } from '../../wire/stream-api.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';
import type { RemotePod } from '../registry/pods.ts';
import { drained } from './drained.ts';
import { Orders } from './orders.ts';
import { type DiallingOwner, PeerConnection, type PeerDeps } from './peer-connection.ts';
import type { PeerCredential } from './peer-credential.ts';
import { dialPeer } from './peer-dial.ts';
import type { PeerGreeting } from './peer-hello.ts';
import { peerLimits } from './peer-limits.ts';

export interface PeerLinkDeps extends PeerDeps {
  readonly credential: PeerCredential;
}

/** From the first packet to PEER_HELLO, under one deadline. */
interface Attempt {
  readonly abort: AbortController;
  readonly cancelTimeout: CancelTimer;
  connection: PeerConnection | undefined;
}

type State =
  | { readonly name: 'dialling'; readonly attempt: Attempt }
  | { readonly name: 'linked'; readonly connection: PeerConnection; readonly orders: Orders; readonly sinceMs: number }
  | { readonly name: 'waiting'; readonly cancel: CancelTimer }
  /** No new streams; ends with the last one. */
  | { readonly name: 'leaving'; readonly connection: PeerConnection; readonly orders: Orders }
  | { readonly name: 'ended' };

export class PeerLink implements DiallingOwner {
  readonly pod: RemotePod;
  readonly #deps: PeerLinkDeps;
  #state: State = { name: 'ended' };
  /** Since a link last stood for some time. */
  #tries = 0;
  #lastFault = '';

  constructor(pod: RemotePod, deps: PeerLinkDeps) {
    this.pod = pod;
    this.#deps = deps;
  }

  start(): void {
    if (this.#state.name === 'ended') this.#dial();
  }

  /** Throws when there is no link, or it takes no more streams. */
  open(request: OpenRequest, body: Uint8Array): OpenedStream {
    if (this.#state.name !== 'linked') throw new Error(`no link to pod ${this.pod.podId}`);
    return this.#state.connection.mux.open(request, body);
  }

  order(agentId: string, kind: AgentOrderKind): Promise<number> {
    if (this.#state.name === 'linked') return this.#state.orders.give(agentId, kind);
    return Promise.reject(new Error(`no link to pod ${this.pod.podId}`));
  }

  /** Dials no more. What runs may finish within the grace; a second call may shorten it. */
  async leave(graceMs: number): Promise<void> {
    const state = this.#state;
    if (state.name !== 'linked' && state.name !== 'leaving') return this.#stop();
    const { connection, orders } = state;
    this.#enter({ name: 'leaving', connection, orders });
    await drained([connection], graceMs, this.#deps.clock);
    connection.close(closeCode.drained, 'this pod needs the link no more');
  }

  // What the connection says.

  greeted({ podId }: PeerGreeting): void {
    const state = this.#state;
    if (state.name !== 'dialling' || !state.attempt.connection) return;
    if (podId !== this.pod.podId) throw new ProtocolError(closeCode.protocolError, 'another pod has this address');
    const { clock, log } = this.#deps;
    const { connection } = state.attempt;
    state.attempt.cancelTimeout();
    const orders = new Orders(clock, (body) => connection.mux.send(body));
    this.#enter({ name: 'linked', connection, orders, sinceMs: clock.now() });
    this.#lastFault = '';
    log.info({ peer: podId, address: this.pod.address }, 'linked to a pod');
  }

  ended({ code, reason }: ConnectionEnd): void {
    const state = this.#state;
    if (state.name === 'dialling') return this.#onFault(state.attempt, `${reason || 'it broke off'} (${code})`);
    if (state.name !== 'linked' && state.name !== 'leaving') return;
    state.orders.failAll('the link ended');
    if (state.name === 'leaving') return this.#enter({ name: 'ended' });
    if (this.#deps.clock.now() - state.sinceMs >= peerLimits.stableAfterMs) this.#tries = 0;
    this.#deps.log.warn({ peer: this.pod.podId, code, reason }, 'lost the link to a pod');
    this.#wait();
  }

  orderDone(done: AgentOrderDone): void {
    if (this.#state.name === 'linked' || this.#state.name === 'leaving') this.#state.orders.done(done);
  }

  // The ways on.

  #dial(): void {
    const { clock, credential } = this.#deps;
    const abort = new AbortController();
    const cancelTimeout = clock.after(peerLimits.dialTimeoutMs, () =>
      this.#onFault(attempt, 'it did not answer in time'),
    );
    const attempt: Attempt = { abort, cancelTimeout, connection: undefined };
    this.#enter({ name: 'dialling', attempt });
    const { address } = this.pod;
    dialPeer({ address, credential, clock, signal: abort.signal }).then(
      (transport) => this.#greet(attempt, transport),
      (error: NodeJS.ErrnoException) => this.#onFault(attempt, describe(error)),
    );
  }

  #greet(attempt: Attempt, transport: FrameTransport): void {
    if (this.#isCurrent(attempt)) {
      attempt.connection = new PeerConnection({ role: 'opener', owner: this }, transport, this.#deps);
    } else {
      transport.attach(nobody);
      transport.terminate(closeCode.goingAway, 'no longer wanted');
    }
  }

  #isCurrent(attempt: Attempt): boolean {
    return this.#state.name === 'dialling' && this.#state.attempt === attempt;
  }

  #onFault(attempt: Attempt, reason: string): void {
    if (!this.#isCurrent(attempt)) return;
    if (reason !== this.#lastFault) {
      this.#deps.log.warn({ peer: this.pod.podId, address: this.pod.address, reason }, 'cannot link to a pod');
    }
    this.#lastFault = reason;
    this.#wait();
    giveUp(attempt);
  }

  #wait(): void {
    const { clock, random } = this.#deps;
    const delayMs = fullJitterMs(this.#tries++, peerLimits.reconnectBaseMs, peerLimits.reconnectMaxMs, random);
    this.#enter({ name: 'waiting', cancel: clock.after(delayMs, () => this.#dial()) });
  }

  #stop(): void {
    const state = this.#state;
    if (state.name === 'leaving' || state.name === 'ended') return;
    this.#enter({ name: 'ended' });
    if (state.name === 'dialling') giveUp(state.attempt);
    if (state.name === 'waiting') state.cancel();
  }

  /** The one way into a state: what others see of the link follows it. */
  #enter(state: State): void {
    const was = this.pod.linked;
    this.#state = state;
    this.pod.linked = state.name === 'linked';
    if (was === this.pod.linked) return;
    if (was) this.#deps.observer.linkDown();
    else this.#deps.observer.linkUp();
  }
}

const nobody = { onFrame() {}, onDrain() {}, onEnd() {} };

function giveUp({ abort, cancelTimeout, connection }: Attempt): void {
  cancelTimeout();
  abort.abort();
  connection?.mux.terminate(closeCode.goingAway, 'it did not become a link');
}

/** A system error's code says enough, and its message nothing more. */
function describe({ code, message }: NodeJS.ErrnoException): string {
  return code ?? message;
}

// One attempt on an exit of another pod. When that pod no longer holds the agent, the view was out of date: it is
// refreshed and the job sent once more, wherever the exit is now, within the same attempt and never further than one hop.
import { RelayRefusal, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { type OpenedStream, StreamError } from '../../wire/stream-api.ts';
import type { CancelReason, Exchange, ExchangeHead, ExchangeRequest } from '../channel/link.ts';
import { toRelayRequest } from '../channel/open-request.ts';
import { type ExchangeOwner, StreamExchange } from '../channel/stream-exchange.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { RemoteExit } from '../registry/remote-exit.ts';
import type { BusyPauses } from './busy-pauses.ts';
import type { RelayMeans, RelayResult } from './relay-api.ts';

const ignore = (): void => {};

export class RelayedExchange implements Exchange, ExchangeOwner {
  readonly speaker = 'pod';
  /** The pod that holds the agent knows, and says so. */
  readonly fenced = false;
  readonly head: Promise<ExchangeHead>;
  readonly #request: ExchangeRequest;
  readonly #means: RelayMeans;
  readonly #pauses: BusyPauses;
  readonly #startedAt: number;
  #exit: RemoteExit;
  #current: Exchange;
  #cancelled: CancelReason | undefined;
  /** While the view is refreshed. */
  #search: PromiseWithResolvers<void> | undefined;

  /** Throws as Link.open does. */
  constructor(exit: RemoteExit, request: ExchangeRequest, means: RelayMeans, pauses: BusyPauses) {
    this.#exit = exit;
    this.#request = request;
    this.#means = means;
    this.#pauses = pauses;
    this.#startedAt = means.clock.now();
    this.#current = this.#send(exit, request);
    this.head = this.#current.head.then(
      (head) => this.#onHead(head),
      (failure: AttemptFailure) => this.#onFailure(failure),
    );
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#current.read();
  }

  cancel(reason: CancelReason): void {
    this.#cancelled = reason;
    this.#current.cancel(reason);
    this.#search?.resolve();
  }

  /** Called by each exchange that was sent to a pod, once. */
  release(): void {
    this.#exit.inFlight--;
  }

  #send(exit: RemoteExit, request: ExchangeRequest): Exchange {
    const stream = this.#open(exit, request);
    this.#means.observer.relayed('sent');
    this.#exit = exit;
    exit.inFlight++;
    return new StreamExchange(stream, this, request.request.maxResponseBytes);
  }

  #open(exit: RemoteExit, request: ExchangeRequest): OpenedStream {
    try {
      return this.#means.peers.open(exit.pod, toRelayRequest(request), request.request.body);
    } catch (cause) {
      throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED', { cause });
    }
  }

  #onHead(head: ExchangeHead): ExchangeHead {
    this.#means.observer.relayed('answered');
    if (head.exitId !== '') this.#pauses.pause(this.#exit);
    return head;
  }

  #onFailure(failure: AttemptFailure): Promise<ExchangeHead> {
    // Whoever cancelled may no longer wait for the head.
    this.head.catch(ignore);
    const notHere = this.#judge(failure) === 'not_here';
    if (notHere && failure.execution === 'NOT_STARTED') return this.#tryAgain();
    throw failure;
  }

  #judge(failure: AttemptFailure): RelayResult | undefined {
    const result = resultOf(failure);
    if (result) this.#means.observer.relayed(result);
    if (result === 'busy' || failure.exitId) this.#pauses.pause(this.#exit);
    return result;
  }

  async #tryAgain(): Promise<ExchangeHead> {
    this.#search = Promise.withResolvers();
    const { fleet, refresh } = this.#means;
    // A registry that cannot be asked leaves the view as it is.
    await Promise.race([refresh(this.#exit.agentId).catch(ignore), this.#search.promise]);
    this.#search = undefined;
    if (this.#cancelled) throw interrupted(this.#cancelled);
    const exit = fleet.byId(this.#request.exitId);
    if (!(exit instanceof RemoteExit)) return this.#sendHere();
    this.#current = this.#send(exit, this.#remaining());
    return this.#current.head.then(
      (head) => this.#onHead(head),
      (failure: AttemptFailure) => {
        this.#judge(failure);
        throw failure;
      },
    );
  }

  /** The agent has come to this pod, or is nowhere. */
  #sendHere(): Promise<ExchangeHead> {
    const link = this.#means.local.linkTo(this.#request.exitId);
    if (!link) throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED');
    this.#current = link.open(this.#remaining());
    return this.#current.head;
  }

  #remaining(): ExchangeRequest {
    const passedMs = this.#means.clock.now() - this.#startedAt;
    return { ...this.#request, deadlineMs: this.#request.deadlineMs - passedMs };
  }
}

function interrupted(reason: CancelReason): AttemptFailure {
  return new AttemptFailure(reason === 'deadline' ? 'DEADLINE_EXCEEDED' : 'CANCELLED', 'NOT_STARTED');
}

/** What the other pod made of the job; undefined when this end took it back. */
function resultOf({ cause }: AttemptFailure): RelayResult | undefined {
  const end = cause instanceof StreamError ? cause.end : undefined;
  if (end?.kind === 'lost') return 'lost';
  if (end?.kind === 'refused') return byRefusal.get(end.error.relay) ?? 'answered';
  if (end?.kind === 'reset') return end.local ? undefined : (byReset.get(end.code) ?? 'answered');
  return 'answered';
}

const byRefusal: ReadonlyMap<RelayRefusal, RelayResult> = new Map([
  [RelayRefusal.BUSY, 'busy'],
  [RelayRefusal.NOT_HERE, 'not_here'],
]);

/** More streams than the two pods agreed on. */
const byReset: ReadonlyMap<ResetCode, RelayResult> = new Map([[ResetCode.REFUSED, 'busy']]);

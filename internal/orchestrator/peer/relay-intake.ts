// Jobs that other pods send here because an agent is connected to this one. The pod that holds the agent decides: the
// exit that was asked, another of its own that fits when that one cannot take the job, or why not. It looks at its own
// connections only, so that a job never makes a second hop.

import type { Random } from '../../kit/clock.ts';
import type { TimerWheel } from '../../kit/timer-wheel.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { Exchange, ExchangeRequest, LinkDirectory } from '../channel/link.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { agentIdOf } from '../registry/ids.ts';
import type { Candidate, Fleet, Target } from '../route/candidate.ts';
import { choose, type Tried } from '../route/choose.ts';
import type { RelayObserver } from './relay-api.ts';
import { asAttemptFailure, refusedJob } from './relay-refusal.ts';
import { readRelayRequest } from './relay-request.ts';
import { ServedExchange } from './served-exchange.ts';

export interface RelayIntakeOptions {
  /** The exits whose agents are connected to this pod, and the ways to them. */
  readonly localFleet: Fleet;
  readonly local: LinkDirectory;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly observer: RelayObserver;
}

interface Placed {
  readonly exchange: Exchange;
  /** The exit, when it is not the one that was asked. */
  readonly exitId: string;
}

export class RelayIntake {
  readonly #options: RelayIntakeOptions;
  #inFlight = 0;
  readonly #drained = Promise.withResolvers<void>();
  #draining = false;

  constructor(options: RelayIntakeOptions) {
    this.#options = options;
  }

  /** Jobs of other pods that run here. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends new jobs away from now on; resolves when none is in flight. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#inFlight === 0) this.#drained.resolve();
    return this.#drained.promise;
  }

  /** Another pod opened the stream. */
  serve(stream: AcceptedStream): void {
    try {
      this.#serve(stream, readRelayRequest(stream));
    } catch (error) {
      stream.refuse(refusedJob(asAttemptFailure(error)));
    }
  }

  #serve(stream: AcceptedStream, request: ExchangeRequest): void {
    const { wheel, observer } = this.#options;
    const { exchange, exitId } = this.#place(request);
    observer.relayed('served');
    this.#inFlight++;
    new ServedExchange(stream, exchange, exitId, wheel, this.#onOver).start(request.deadlineMs);
  }

  readonly #onOver = (): void => {
    this.#inFlight--;
    if (this.#draining && this.#inFlight === 0) this.#drained.resolve();
  };

  #place(request: ExchangeRequest): Placed {
    if (this.#draining) throw notHere();
    try {
      return { exchange: this.#open(request), exitId: '' };
    } catch (error) {
      const exitId = error instanceof AttemptFailure ? this.#substitute(request) : undefined;
      if (exitId === undefined) throw error;
      return { exchange: this.#link(exitId).open({ ...request, exitId }), exitId };
    }
  }

  /** On the exit that was asked. The view of the other pod may be a moment old: what it judged is judged again. */
  #open(request: ExchangeRequest): Exchange {
    const { exitId, tenant, target } = request;
    const { localFleet } = this.#options;
    const exit = localFleet.byId(exitId);
    if (!exit) throw notHere();
    const mayUse = localFleet.usable(tenant).matches(exit);
    // As for a caller of this pod: what it may not use does not exist.
    if (!mayUse && target.exitId !== '') throw new AttemptFailure('EXIT_NOT_FOUND', 'NOT_STARTED');
    if (!mayUse || !this.#fits(exit, target)) throw new AttemptFailure('EXIT_BUSY', 'NOT_STARTED');
    return this.#link(exitId).open(request);
  }

  #fits(exit: Candidate, target: Target): boolean {
    return this.#options.localFleet.asked(target).every((constraint) => constraint.matches(exit));
  }

  #link(exitId: string) {
    const link = this.#options.local.linkTo(exitId);
    if (!link) throw notHere();
    return link;
  }

  /** Another exit of this pod that fits and has room; none when the caller named the exit, since no other fits then. */
  #substitute({ exitId, tenant, target, tried }: ExchangeRequest): string | undefined {
    const { localFleet: fleet, random } = this.#options;
    const exclude = [...tried, exitId].map(toTried);
    const choice = choose({ target, tenant, fleet, exclude, random });
    return choice.kind === 'chosen' ? choice.candidate.exitId : undefined;
  }
}

function toTried(exitId: string): Tried {
  return { exitId, agentId: agentIdOf(exitId) };
}

function notHere(): AttemptFailure {
  return new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED');
}

// The way to an exit whose agent is connected to this pod. Admission happens here, in memory and in one synchronous
// step: this pod alone knows the exit's exact load.
import type { OpenedStream } from '../../wire/stream-api.ts';
import { AttemptFailure } from '../failure/failures.ts';
import type { LiveExit } from '../registry/live-exit.ts';
import type { Exchange, ExchangeRequest, Link } from './link.ts';
import { StreamExchange, sendRest } from './stream-exchange.ts';

/** What a link needs of the connection that carries it. */
export interface LinkHost {
  /** Whether new jobs may be sent over it. */
  readonly takesJobs: boolean;
  /** Whether no answer of its jobs may be handed out any more. */
  readonly fenced: boolean;
  /** Whether another stream may be opened. */
  readonly hasFreeStream: boolean;
  openStream(request: ExchangeRequest, exitName: string): OpenedStream;
  /** An exchange ended, however it did. */
  exchangeEnded(): void;
}

export class LocalLink implements Link {
  readonly speaker = 'agent';
  readonly #host: LinkHost;
  #exit: LiveExit;
  #withdrawn = false;

  constructor(host: LinkHost, exit: LiveExit) {
    this.#host = host;
    this.#exit = exit;
  }

  get inFlight(): number {
    return this.#exit.inFlight;
  }

  get fenced(): boolean {
    return this.#host.fenced;
  }

  /** The agent offers the exit anew: what is known of its load and its success stays. */
  renew(exit: LiveExit): void {
    exit.inFlight = this.#exit.inFlight;
    exit.recentSuccess = this.#exit.recentSuccess;
    this.#exit = exit;
    this.#withdrawn = false;
  }

  /** The agent no longer offers the exit; jobs that run on it go on. */
  withdraw(): void {
    this.#withdrawn = true;
  }

  open(request: ExchangeRequest): Exchange {
    this.#admit();
    const stream = this.#host.openStream(request, this.#exit.name);
    this.#exit.inFlight++;
    const exchange = new StreamExchange(stream, this, request.request.maxResponseBytes);
    if (request.rest) void sendRest(request.rest, stream);
    return exchange;
  }

  /** Called once by each exchange. */
  release(): void {
    this.#exit.inFlight--;
    this.#host.exchangeEnded();
  }

  #admit(): void {
    const { state, inFlight, capacity } = this.#exit;
    if (!this.#host.takesJobs || this.#withdrawn) throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED');
    if (state === 'paused') throw new AttemptFailure('EXIT_REFUSED', 'NOT_STARTED', { refusal: 'PAUSED' });
    if (state === 'quota') throw new AttemptFailure('EXIT_REFUSED', 'NOT_STARTED', { refusal: 'QUOTA' });
    if (state === 'cooling' || inFlight >= capacity || !this.#host.hasFreeStream)
      throw new AttemptFailure('EXIT_BUSY', 'NOT_STARTED');
  }
}

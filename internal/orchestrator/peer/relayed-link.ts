// The way to an exit whose agent is connected to another pod. That pod admits the job; this one only counts what it has
// sent there itself.
import type { Exchange, ExchangeRequest, Link } from '../channel/link.ts';
import type { RemoteExit } from '../registry/remote-exit.ts';
import type { BusyPauses } from './busy-pauses.ts';
import type { RelayMeans } from './relay-api.ts';
import { RelayedExchange } from './relayed-exchange.ts';

export class RelayedLink implements Link {
  readonly #exit: RemoteExit;
  readonly #means: RelayMeans;
  readonly #pauses: BusyPauses;

  constructor(exit: RemoteExit, means: RelayMeans, pauses: BusyPauses) {
    this.#exit = exit;
    this.#means = means;
    this.#pauses = pauses;
  }

  open(request: ExchangeRequest): Exchange {
    return new RelayedExchange(this.#exit, request, this.#means, this.#pauses);
  }
}

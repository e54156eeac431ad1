// The way to any exit of the fleet: the view says whether its agent is connected here or to another pod.
import type { Link, LinkDirectory } from '../channel/link.ts';
import { RemoteExit } from '../registry/remote-exit.ts';
import { BusyPauses } from './busy-pauses.ts';
import type { RelayMeans } from './relay-api.ts';
import { RelayedLink } from './relayed-link.ts';

export class FleetLinks implements LinkDirectory {
  readonly #means: RelayMeans;
  readonly #pauses: BusyPauses;

  constructor(means: RelayMeans) {
    this.#means = means;
    this.#pauses = new BusyPauses(means.clock);
  }

  linkTo(exitId: string): Link | undefined {
    const exit = this.#means.fleet.byId(exitId);
    return exit instanceof RemoteExit
      ? new RelayedLink(exit, this.#means, this.#pauses)
      : this.#means.local.linkTo(exitId);
  }
}

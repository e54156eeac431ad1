// Leaves an exit alone for a moment after its pod had no room on it: until then this pod's picture of its load is wrong,
// and every further job would be turned away as well.
import type { Clock } from '../../kit/clock.ts';
import { busyPauseMs, type RemoteExit } from '../registry/remote-exit.ts';

export class BusyPauses {
  readonly #clock: Clock;
  readonly #paused = new Set<RemoteExit>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on; one that is paused already is left as it is. */
  pause(exit: RemoteExit): void {
    if (this.#paused.has(exit)) return;
    this.#paused.add(exit);
    exit.busy = true;
    this.#clock.after(busyPauseMs, () => {
      this.#paused.delete(exit);
      exit.busy = false;
    });
  }
}

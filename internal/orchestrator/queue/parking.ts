// Wakes jobs that wait for an exit. They stand in the store under what they ask for; whenever the view changes, an
// attempt ends or a second has passed, each target is tried against the view, and some of its jobs go back to the
// queue when an exit has room. So the order of claims never depends on targets.
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { ScheduledExit } from '../dispatch/shared.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Fleet } from '../route/candidate.ts';
import { choose } from '../route/choose.ts';
import { readParkedName } from './parked-target.ts';
import { queueLimits } from './queue-limits.ts';

export interface ParkingOptions {
  readonly store: JobStore;
  readonly fleet: Fleet<ScheduledExit>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Jobs stand in the queue again, of which no change is told. */
  readonly onWoken: () => void;
}

export class Parking {
  readonly #options: ParkingOptions;
  #looking = false;
  #changed = false;
  #stopped = false;
  /** Where the next look begins, so that many targets without an exit keep nobody else waiting. */
  #cursor = '';
  #cancelLook: CancelTimer = () => {};

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#lookAfter(queueLimits.pollMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelLook();
  }

  /** Something may have made room; cheap, and may be called at any rate. */
  hint(): void {
    if (this.#changed || this.#stopped) return;
    this.#changed = true;
    if (!this.#looking) this.#lookAfter(queueLimits.unparkPauseMs);
  }

  #lookAfter(ms: number): void {
    if (this.#stopped) return;
    this.#cancelLook();
    this.#cancelLook = this.#options.clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#changed = false;
    try {
      const { targets, next } = await this.#options.store.parkedTargets(queueLimits.maxTargetsTried, this.#cursor);
      this.#cursor = next;
      for (const { target } of targets) if (this.#hasRoom(target)) await this.#wake(target);
      if (next !== '') this.#changed = true;
    } catch (error) {
      this.#options.log.debug({ fault: String(error) }, 'what is parked could not be looked at');
    }
    this.#looking = false;
    this.#lookAfter(this.#changed ? queueLimits.unparkPauseMs : queueLimits.pollMs);
  }

  #hasRoom(name: string): boolean {
    const parked = readParkedName(name);
    if (!parked) return false;
    const { fleet, random } = this.#options;
    return choose({ ...parked, fleet, exclude: [], random }).kind === 'chosen';
  }

  async #wake(target: string): Promise<void> {
    const woken = await this.#options.store.unpark(target, queueLimits.maxUnparked);
    if (woken > 0) this.#options.onWoken();
    if (woken === queueLimits.maxUnparked) this.#changed = true;
  }
}

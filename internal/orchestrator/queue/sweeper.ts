// Ends what is overdue in the store, every few seconds: leases of pods that died, jobs that waited too long, results
// that were kept long enough. Every pod does it, at moments of its own, so that none has to be there.
import { narrowJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { JobStore, Swept } from '../jobs/job-store.ts';
import { queueLimits } from './queue-limits.ts';

export interface SweeperOptions {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onSwept: (swept: Swept) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  #stopped = false;
  #cancel: CancelTimer = () => {};

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, random } = this.#options;
    const ms = narrowJitterMs(0, queueLimits.sweepMs, queueLimits.sweepMs, random);
    this.#cancel = clock.after(ms, () => void this.#sweep());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #sweep(): Promise<void> {
    const { store, log, onSwept } = this.#options;
    try {
      for (let more = true; more && !this.#stopped; ) {
        const swept = await store.sweep();
        onSwept(swept);
        more = swept.more;
      }
    } catch (error) {
      log.debug({ fault: String(error) }, 'the job store could not be swept');
    }
    if (!this.#stopped) this.start();
  }
}

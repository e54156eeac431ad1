// What the registry tells platform engineers, each thing once: that Redis is away and that it is back, that something
// keeps failing, that two pods have one name.
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { HeardLease } from './lease.ts';
import { podOf } from './redis-keys.ts';
import { registryLimits } from './registry-limits.ts';

export interface RegistryLogOptions {
  readonly podId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const sameFaultMs = 10_000;
/** Beats after which another pod of the same name is no predecessor that has just died. */
const twinBeats = 6;

export class RegistryLog {
  readonly #options: RegistryLogOptions;
  #away = false;
  #faultToldAt = -Infinity;
  #twinBeats = 0;

  constructor(options: RegistryLogOptions) {
    this.#options = options;
  }

  /** A renewal failed. */
  away(error: unknown): void {
    if (this.#away) return;
    this.#away = true;
    const fault = faultOf(error);
    this.#options.log.warn({ fault }, 'Redis cannot be used: the fleet stays as it was, new agents serve this pod');
  }

  /** Anything else failed, and will be tried again. While Redis is away that is no news. */
  fault(error: unknown): void {
    const { clock, log } = this.#options;
    if (this.#away || clock.now() - this.#faultToldAt < sameFaultMs) return;
    this.#faultToldAt = clock.now();
    log.warn({ fault: faultOf(error) }, 'the registry will retry');
  }

  /** A renewal came back. */
  heard(leases: readonly HeardLease[], ownSeat: string | undefined): void {
    const { podId, log } = this.#options;
    if (this.#away) log.info('Redis is back: the fleet is shared again');
    this.#away = false;
    const freshMs = registryLimits.leaseMs - 2 * registryLimits.beatMs;
    const twin = leases.some(({ seat, leftMs }) => seat !== ownSeat && podOf(seat) === podId && leftMs > freshMs);
    this.#twinBeats = twin ? this.#twinBeats + 1 : 0;
    if (this.#twinBeats === twinBeats) log.error({ podId }, 'another pod runs under the name of this one');
  }
}

function faultOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

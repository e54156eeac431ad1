// An exit whose agent is connected to another pod. Only that pod knows its exact load; this one knows what it sent
// there itself, and for a moment that the other pod had no room.
import { type ExitOffer, LiveExit } from './live-exit.ts';
import type { RemotePod } from './pods.ts';

/** How long an exit that had no room is left alone. */
export const busyPauseMs = 100;

export class RemoteExit extends LiveExit {
  override readonly local = false;
  readonly pod: RemotePod;
  #busy = false;

  constructor(offer: ExitOffer, pod: RemotePod) {
    super(offer);
    this.pod = pod;
  }

  override get open(): boolean {
    return super.open && this.pod.linked && !this.#busy;
  }

  /** Its pod had no room on it; whoever says so takes it back after busyPauseMs. */
  set busy(busy: boolean) {
    this.#busy = busy;
  }
}

// The other pods, by their leases. A pod that lost its lease, or whose lease Redis lost, takes another seat and is the
// same pod: links to it stay.
import * as z from 'zod';
import { type PodListener, RemotePod } from './pods.ts';
import { podOf } from './redis-keys.ts';

export interface RemoteSeat {
  readonly seat: string;
  readonly pod: RemotePod;
  /** When the pod renewed it, in this pod's Unix milliseconds. */
  renewedAt: number;
}

/** What a pod says of itself. */
export type PodRecord = z.output<typeof podSchema>;

const podSchema = z.object({
  address: z.string().max(128),
  version: z.string().max(64),
  draining: z.boolean(),
});

export function podRecord(record: PodRecord): string {
  return JSON.stringify({ address: record.address, version: record.version, draining: record.draining });
}

export class RemoteSeats {
  readonly #listeners = new Set<PodListener>();
  readonly #seats = new Map<string, RemoteSeat>();
  readonly #pods = new Set<RemotePod>();

  *[Symbol.iterator](): Generator<RemoteSeat, void, undefined> {
    yield* this.#seats.values();
  }

  get(seat: string): RemoteSeat | undefined {
    return this.#seats.get(seat);
  }

  listen(listener: PodListener): void {
    this.#listeners.add(listener);
    for (const pod of this.#pods) listener.podJoined(pod);
  }

  /** Takes in a seat or what it says now; undefined when that cannot be read. */
  put(seat: string, text: string, renewedAt: number): RemoteSeat | undefined {
    const record = parse(text);
    if (!record) return undefined;
    const known = this.#seats.get(seat) ?? { seat, pod: this.#pod(podOf(seat), record), renewedAt };
    known.pod.draining = record.draining;
    known.renewedAt = renewedAt;
    this.#seats.set(seat, known);
    return known;
  }

  remove(seat: string): void {
    const known = this.#seats.get(seat);
    if (!known) return;
    this.#seats.delete(seat);
    for (const other of this.#seats.values()) if (other.pod === known.pod) return;
    this.#pods.delete(known.pod);
    for (const listener of this.#listeners) listener.podLeft(known.pod);
  }

  #pod(podId: string, { address, version }: PodRecord): RemotePod {
    for (const pod of this.#pods) {
      if (pod.podId === podId && pod.address === address && pod.version === version) return pod;
    }
    const pod = new RemotePod(podId, address, version);
    this.#pods.add(pod);
    for (const listener of this.#listeners) listener.podJoined(pod);
    return pod;
  }
}

function parse(text: string): PodRecord | undefined {
  try {
    return podSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

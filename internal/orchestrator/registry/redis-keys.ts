// Every key of the registry in Redis. One hash tag holds them together, so that a script may touch several on a Cluster.

export interface RegistryKeys {
  /** Sorted set: seat -> end of its lease, in milliseconds of Redis' clock. A seat is one lease of one pod. */
  readonly leases: string;
  /** Hash: seat -> what the pod says of itself. */
  readonly seats: string;
  /** Hash: seat -> number of its newest write, by which a pod notices that Redis lost some. */
  readonly writes: string;
  /** Hash: epoch (the newest), changes (how many there were), last (stream id of the newest), pulse (last renewal). */
  readonly meta: string;
  /** Hash: agent id -> `CONNECTION SEAT EPOCH WELCOMED SEQ INSTANCE` of its newest connection. */
  readonly newest: string;
  /** Stream of changes, capped: seat, kind, id, value. */
  readonly changes: string;
  /** Hash: connection id -> `CHANGE EPOCH WELCOMED AGENT RECORD`. Only the pod of the seat writes it while it lives. */
  held(seat: string): string;
}

export function registryKeys(prefix: string): RegistryKeys {
  const key = (name: string) => `{${prefix}:reg}:${name}`;
  return {
    leases: key('leases'),
    seats: key('seats'),
    writes: key('writes'),
    meta: key('meta'),
    newest: key('newest'),
    changes: key('changes'),
    held: (seat) => key(`held:${seat}`),
  };
}

/** The name of a new lease. */
export function seatOf(podId: string, token: string): string {
  return `${podId}~${token}`;
}

export function podOf(seat: string): string {
  return seat.slice(0, seat.lastIndexOf('~'));
}

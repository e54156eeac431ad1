// How many may stand in the doors for callers, and how many of them unknown.
import type { DoorwayLimits } from '../../kit/doorway.ts';

/**
 * A stranger needs a second for a handshake and a first call. A quarter of the room for one address: many callers share
 * one behind NAT, but they keep their connections, and four addresses alone cannot push everybody else out.
 */
export const callerDoorway: DoorwayLimits = {
  maxKnown: 4_096,
  maxStrangers: 2_048,
  maxStrangersPerAddress: 512,
  askWithinMs: 4_000,
};

// Whether a WELCOME can be worked with. A pod is trusted to run jobs, not to be free of faults: a heartbeat of 0 ms
// would burn a home's CPU, a window of 0 would hang every answer.
import type { Welcome } from '../../../gen/resproxy/v1/channel_pb.ts';
import { limits } from '../../wire/limits.ts';
import type { Agreement } from '../../wire/mux-api.ts';
import { protocolMax, protocolMin } from '../../wire/names.ts';

/** Both ends included. */
const bounds = {
  idlePingMs: [1_000, 120_000],
  busyPingMs: [500, 60_000],
  idleDeadMs: [2_000, 600_000],
  busyDeadMs: [1_000, 120_000],
  maxStreams: [1, 65_536],
  connectionWindow: [limits.maxDataBytes, 0x7fff_ffff],
} as const;

export type Reading =
  | { readonly kind: 'agreed'; readonly agreement: Agreement }
  | { readonly kind: 'unusable'; readonly why: string; readonly tooOld: boolean };

export function readWelcome(welcome: Welcome): Reading {
  if (welcome.protocol < protocolMin || welcome.protocol > protocolMax) {
    return unusable(`it chose protocol ${welcome.protocol}`, welcome.protocol > protocolMax);
  }
  const fault = outOfBounds(welcome);
  if (fault !== undefined) return unusable(`its ${fault} is out of bounds`);
  if (welcome.connectionId === '') return unusable('it gave no connection id');
  if (welcome.maxFrameBytes < limits.maxFrameBytes) return unusable('it takes no frame of the agreed size');
  if (welcome.idleDeadMs <= welcome.idlePingMs || welcome.busyDeadMs <= welcome.busyPingMs) {
    return unusable('its heartbeat is slower than its patience');
  }
  return { kind: 'agreed', agreement: agreementOf(welcome) };
}

function outOfBounds(welcome: Welcome): keyof typeof bounds | undefined {
  for (const name of Object.keys(bounds) as (keyof typeof bounds)[]) {
    const [min, max] = bounds[name];
    if (welcome[name] < min || welcome[name] > max) return name;
  }
  return undefined;
}

function agreementOf(welcome: Welcome): Agreement {
  return {
    peerStreamWindow: 0,
    peerConnectionWindow: welcome.connectionWindow,
    ownConnectionWindow: limits.initialConnectionWindowBytes,
    maxStreams: welcome.maxStreams,
    idlePingMs: welcome.idlePingMs,
    busyPingMs: welcome.busyPingMs,
    idleDeadMs: welcome.idleDeadMs,
    busyDeadMs: welcome.busyDeadMs,
  };
}

function unusable(why: string, tooOld = false): Reading {
  return { kind: 'unusable', why, tooOld };
}

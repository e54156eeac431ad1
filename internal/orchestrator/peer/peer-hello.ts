// PEER_HELLO: who a pod is and what it grants. Pods of different versions work together while a rolling update is under
// way; what this pod cannot work with ends the link, with a reason.
import type { PeerHello } from '../../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { limits } from '../../wire/limits.ts';
import type { Agreement, ControlBody, MuxRole } from '../../wire/mux-api.ts';
import { type CloseCode, closeCode, protocolMax, protocolMin } from '../../wire/names.ts';
import { peerLimits } from './peer-limits.ts';

/** A pod as it says of itself. */
export interface PeerGreeting {
  readonly podId: string;
  readonly version: string;
  readonly agreement: Agreement;
}

type Init = Omit<PeerHello, '$typeName' | '$unknown'>;

const podIdPattern = /^[A-Za-z0-9._-]{1,128}$/;
const versionPattern = /^[\x20-\x7e]{0,64}$/;

export function ownHello(podId: string, version: string): Init {
  return {
    podId,
    version,
    protocolMin,
    protocolMax,
    streamWindow: limits.initialStreamWindowBytes,
    connectionWindow: peerLimits.connectionWindowBytes,
    maxStreams: peerLimits.maxStreams,
  };
}

/** Throws a ProtocolError. */
export function readPeerHello(hello: PeerHello, role: MuxRole): PeerGreeting {
  require(podIdPattern.test(hello.podId) && versionPattern.test(hello.version), 'its name or version is not usable');
  require(hello.protocolMin <= protocolMax &&
    hello.protocolMax >=
      Math.max(
        hello.protocolMin,
        protocolMin,
      ), `this pod speaks ${protocolMin} to ${protocolMax} of resproxy.v1`, closeCode.upgradeRequired);
  require(hello.streamWindow >= limits.maxDataBytes, 'its stream window is too small');
  require(hello.connectionWindow >= limits.maxDataBytes, 'its connection window is too small');
  require(hello.maxStreams > 0, 'it takes no streams');
  return { podId: hello.podId, version: hello.version, agreement: agreementOf(hello, role) };
}

function agreementOf(hello: PeerHello, role: MuxRole): Agreement {
  return {
    peerStreamWindow: role === 'opener' ? Math.min(hello.streamWindow, limits.maxStreamWindowBytes) : 0,
    peerConnectionWindow: Math.min(hello.connectionWindow, limits.maxConnectionWindowBytes),
    ownConnectionWindow: peerLimits.connectionWindowBytes,
    maxStreams: role === 'opener' ? Math.min(hello.maxStreams, peerLimits.maxStreams) : peerLimits.maxStreams,
    idlePingMs: peerLimits.idlePingMs,
    busyPingMs: peerLimits.busyPingMs,
    idleDeadMs: peerLimits.idleDeadMs,
    busyDeadMs: peerLimits.busyDeadMs,
  };
}

/** For frames that are not PEER_HELLO, or not now. */
export function outOfPlace(body: ControlBody): ProtocolError {
  return new ProtocolError(closeCode.protocolError, `${body.case} is out of place`);
}

function require(holds: boolean, otherwise: string, code: CloseCode = closeCode.protocolError): void {
  if (!holds) throw new ProtocolError(code, otherwise);
}

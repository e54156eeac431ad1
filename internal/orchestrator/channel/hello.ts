// Reads HELLO, all but its exits. What a pod cannot work with ends the connection, with a reason that an agent's owner can act on.
import type { Hello } from '../../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { limits } from '../../wire/limits.ts';
import { agentNamePattern, type CloseCode, closeCode, protocolMax, protocolMin } from '../../wire/names.ts';

export interface Greeting {
  readonly agentName: string;
  readonly instanceId: string;
  readonly connectSeq: bigint;
  /** The minor version that both ends use. */
  readonly protocol: number;
  readonly version: string;
  readonly platform: string;
  readonly streamWindow: number;
  readonly connectionWindow: number;
}

const instancePattern = /^[A-Za-z0-9._-]{1,128}$/;
const wordPattern = /^[\x20-\x7e]{0,64}$/;
const maxFeatures = 64;

/** Throws a ProtocolError. */
export function readHello(hello: Hello): Greeting {
  require(agentNamePattern.test(hello.agentName), 'AGENT_NAME must be 1 to 63 of a-z, 0-9 and dash');
  require(instancePattern.test(hello.instanceId), 'the instance id is not usable');
  require(wordPattern.test(hello.version) && wordPattern.test(hello.platform), 'version or platform is not usable');
  require(hello.features.length <= maxFeatures &&
    hello.features.every((feature) => wordPattern.test(feature)), 'the features are not usable');
  require(hello.streamWindow >= limits.maxDataBytes, 'the stream window is too small');
  require(hello.connectionWindow >= limits.maxDataBytes, 'the connection window is too small');
  return {
    agentName: hello.agentName,
    instanceId: hello.instanceId,
    connectSeq: hello.connectSeq,
    protocol: commonProtocol(hello),
    version: hello.version,
    platform: hello.platform,
    streamWindow: Math.min(hello.streamWindow, limits.maxStreamWindowBytes),
    connectionWindow: Math.min(hello.connectionWindow, limits.maxConnectionWindowBytes),
  };
}

/** The highest minor version that both know. */
function commonProtocol({ protocolMin: min, protocolMax: max }: Hello): number {
  require(min <= max, 'the protocol range is empty');
  require(min <= protocolMax &&
    max >= protocolMin, `this pod speaks ${protocolMin} to ${protocolMax} of resproxy.v1`, closeCode.upgradeRequired);
  return Math.min(max, protocolMax);
}

function require(holds: boolean, otherwise: string, code: CloseCode = closeCode.protocolError): void {
  if (!holds) throw new ProtocolError(code, otherwise);
}

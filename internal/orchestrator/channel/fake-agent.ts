// An agent of the unit tests. It speaks single frames by hand, so that a test can also make it lie.

import { create } from '@bufbuild/protobuf';
import { ExitKind, ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { ExitListSchema, type Frame, type Hello, HelloSchema } from '../../../gen/resproxy/v1/channel_pb.ts';
import { settle } from '../../kit/manual-clock.ts';
import { decodeFrame, encodeFrame, type FrameBody, type FrameBodyInit } from '../../wire/codec.ts';
import { limits } from '../../wire/limits.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';

type Case = FrameBody['case'];
type FrameOf<C extends Case> = { readonly streamId: number; readonly value: Extract<FrameBody, { case: C }>['value'] };

export const directOffer = {
  name: 'direct',
  kind: ExitKind.DIRECT,
  state: ExitState.AVAILABLE,
  capacity: 4,
  labels: {},
};

export function helloOf(overrides: Partial<Hello> = {}): Hello {
  const honest = create(HelloSchema, {
    agentName: 'default',
    instanceId: 'instance-1',
    connectSeq: 1n,
    protocolMin: 1,
    protocolMax: 1,
    features: [],
    version: '0.1.0',
    platform: 'linux-x64',
    streamWindow: limits.initialStreamWindowBytes,
    connectionWindow: limits.initialConnectionWindowBytes,
    exits: create(ExitListSchema, { generation: 1n, exits: [directOffer] }),
  });
  return { ...honest, ...overrides };
}

export class FakeAgent {
  readonly #transport: FrameTransport;
  readonly #heard: Frame[] = [];
  /** Once the connection is over. */
  end: ConnectionEnd | undefined;

  constructor(transport: FrameTransport) {
    this.#transport = transport;
    transport.attach({
      onFrame: (bytes) => this.#heard.push(decodeFrame(bytes)),
      onDrain: () => {},
      onEnd: (end) => {
        this.end = end;
      },
    });
  }

  /** Says it, and lets the other end hear and answer. */
  async say(streamId: number, body: FrameBodyInit): Promise<void> {
    this.#transport.send(encodeFrame(streamId, body));
    await settle();
  }

  /** The frames of a kind, in order. */
  heard<C extends Case>(kind: C): FrameOf<C>[] {
    return this.#heard.flatMap(({ streamId, body }) =>
      body.case === kind ? [{ streamId, value: body.value } as FrameOf<C>] : [],
    );
  }

  /** The newest OPEN's stream. */
  get openedStream(): number {
    return this.heard('open').at(-1)?.streamId ?? 0;
  }
}

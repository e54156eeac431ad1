// Which WELCOMEs an agent works with.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { WelcomeSchema } from '../../../gen/resproxy/v1/channel_pb.ts';
import { limits } from '../../wire/limits.ts';
import { readWelcome } from './welcome.ts';

const usual = {
  connectionId: 'c1',
  protocol: 1,
  idlePingMs: limits.idlePingMs,
  busyPingMs: limits.busyPingMs,
  idleDeadMs: limits.idleDeadMs,
  busyDeadMs: limits.busyDeadMs,
  maxStreams: 64,
  maxFrameBytes: limits.maxFrameBytes,
  connectionWindow: limits.initialConnectionWindowBytes,
};

function read(change: MessageInitShape<typeof WelcomeSchema>) {
  return readWelcome(create(WelcomeSchema, { ...usual, ...change }));
}

describe('readWelcome', () => {
  test("takes the pod's rhythm, streams and window", () => {
    expect(read({ idlePingMs: 20_000, maxStreams: 3, connectionWindow: 1_000_000 })).toEqual({
      kind: 'agreed',
      agreement: {
        peerStreamWindow: 0,
        peerConnectionWindow: 1_000_000,
        ownConnectionWindow: limits.initialConnectionWindowBytes,
        maxStreams: 3,
        idlePingMs: 20_000,
        busyPingMs: limits.busyPingMs,
        idleDeadMs: limits.idleDeadMs,
        busyDeadMs: limits.busyDeadMs,
      },
    });
  });

  test.each([
    [{ idlePingMs: 0 }],
    [{ busyPingMs: 1 }],
    [{ idleDeadMs: 0xffff_ffff }],
    [{ busyDeadMs: 0 }],
    [{ maxStreams: 0 }],
    [{ connectionWindow: 0 }],
    [{ connectionWindow: 0xffff_ffff }],
    [{ maxFrameBytes: 1024 }],
    [{ connectionId: '' }],
    [{ idlePingMs: 40_000, idleDeadMs: 40_000 }],
    [{ protocol: 0 }],
  ])('refuses %j', (change) => {
    expect(read(change)).toMatchObject({ kind: 'unusable', tooOld: false });
  });

  test('knows that it is too old when the pod chose a protocol of the future', () => {
    expect(read({ protocol: 99 })).toMatchObject({ kind: 'unusable', tooOld: true });
  });
});

import { describe, expect, test } from '@jest/globals';
import type { Hello } from '../../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { limits } from '../../wire/limits.ts';
import { helloOf } from './fake-agent.ts';
import { type Greeting, readHello } from './hello.ts';

function read(overrides: Partial<Hello>): Greeting {
  return readHello(helloOf(overrides));
}

function codeOf(overrides: Partial<Hello>): number | undefined {
  try {
    read(overrides);
    return undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error.message.length).toBeLessThanOrEqual(123);
    return error.closeCode;
  }
}

describe('HELLO', () => {
  test('of an honest agent is taken as it stands', () => {
    expect(read({})).toEqual({
      agentName: 'default',
      instanceId: 'instance-1',
      connectSeq: 1n,
      protocol: 1,
      version: '0.1.0',
      platform: 'linux-x64',
      streamWindow: limits.initialStreamWindowBytes,
      connectionWindow: limits.initialConnectionWindowBytes,
    });
  });

  test('of a later version is met at the highest minor version that both know', () => {
    expect(read({ protocolMin: 1, protocolMax: 7, features: ['later'] }).protocol).toBe(1);
  });

  test('with a window beyond the greatest is taken for the greatest', () => {
    const { streamWindow, connectionWindow } = read({ streamWindow: 2 ** 32 - 1, connectionWindow: 2 ** 32 - 1 });
    expect(streamWindow).toBe(limits.maxStreamWindowBytes);
    expect(connectionWindow).toBe(limits.maxConnectionWindowBytes);
  });

  test.each<Partial<Hello>>([
    { agentName: '' },
    { agentName: 'Berlin' },
    { agentName: 'a/b' },
    { agentName: 'x'.repeat(64) },
    { instanceId: '' },
    { instanceId: 'a b' },
    { instanceId: 'x'.repeat(129) },
    { version: 'x'.repeat(65) },
    { platform: 'linux\n' },
    { features: Array.from({ length: 65 }, () => 'f') },
    { features: ['\u0000'] },
    { streamWindow: 0 },
    { connectionWindow: limits.maxDataBytes - 1 },
    { protocolMin: 2, protocolMax: 1 },
  ])('with %p closes the connection as a protocol error', (wrong) => {
    expect(codeOf(wrong)).toBe(4000);
  });

  test.each<Partial<Hello>>([
    { protocolMin: 2, protocolMax: 3 },
    { protocolMin: 0, protocolMax: 0 },
  ])('with the protocols of %p is told to upgrade', (apart) => {
    expect(codeOf(apart)).toBe(4426);
  });
});

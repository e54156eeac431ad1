import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MessageReader, prefixBytes, writePrefix } from './grpc-messages.ts';

const maxBytes = 1_000;

function readAll(chunks: readonly Buffer[]): { messages: Buffer[]; faults: number[] } {
  const messages: Buffer[] = [];
  const faults: number[] = [];
  const reader = new MessageReader(maxBytes, {
    onMessage: (message) => messages.push(Buffer.from(message)),
    onFault: (code) => faults.push(code),
  });
  for (const chunk of chunks) reader.read(chunk);
  return { messages, faults };
}

function framed(message: Uint8Array): Buffer {
  const target = Buffer.alloc(prefixBytes + message.length);
  target.set(message, writePrefix(target, 0, message.length));
  return target;
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

describe('MessageReader', () => {
  test('finds the same messages however their bytes are cut', () => {
    const message = fc.uint8Array({ maxLength: maxBytes });
    const property = (list: Uint8Array[], cuts: number[]) => {
      const bytes = Buffer.concat(list.map(framed));
      expect(readAll(cutAt(bytes, cuts))).toEqual({ messages: list.map((one) => Buffer.from(one)), faults: [] });
    };
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat({ max: 9_000 }), { maxLength: 12 }), property),
    );
  });

  test('hands on what lies whole in a chunk without copying it', () => {
    const chunk = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two'))]);
    const homes: unknown[] = [];
    const reader = new MessageReader(maxBytes, { onMessage: ({ buffer }) => homes.push(buffer), onFault: () => {} });
    reader.read(chunk);
    expect(homes).toEqual([chunk.buffer, chunk.buffer]);
  });

  test('refuses a compressed message, and reads nothing after it', () => {
    const compressed = framed(Buffer.from('x'));
    compressed[0] = 1;
    expect(readAll([compressed, framed(Buffer.from('y'))])).toEqual({ messages: [], faults: [4000] });
  });

  test('refuses a message that is too large by its length alone', () => {
    const prefix = Buffer.alloc(prefixBytes);
    writePrefix(prefix, 0, maxBytes + 1);
    expect(readAll([prefix.subarray(0, 2), prefix.subarray(2)])).toEqual({ messages: [], faults: [4413] });
  });

  test('hands on nothing after it was stopped in the middle of a chunk', () => {
    const messages: Uint8Array[] = [];
    const reader: MessageReader = new MessageReader(maxBytes, {
      onMessage(message) {
        messages.push(message);
        reader.stop();
      },
      onFault: () => {},
    });
    reader.read(Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two'))]));
    expect(messages.length).toBe(1);
  });
});

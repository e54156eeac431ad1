import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import { type OpenOk, OpenOkSchema } from '../../../gen/resproxy/v1/channel_pb.ts';
import { headFault } from './answer-head.ts';

function fault(overrides: Partial<Pick<OpenOk, 'statusCode' | 'finalUrl' | 'body'>>, headers: [string, string][] = []) {
  const fields = headers.map(([name, value]) => ({ name, value }));
  return headFault(create(OpenOkSchema, { statusCode: 200, finalUrl: 'http://a/', headers: fields, ...overrides }));
}

describe('head of an answer', () => {
  test.each([200, 404, 599, 999])('may have status %p', (statusCode) => {
    expect(fault({ statusCode })).toBeUndefined();
  });

  test('may repeat headers and hold latin-1', () => {
    expect(
      fault({}, [
        ['Set-Cookie', 'a=\u00ff'],
        ['set-cookie', ''],
        ['X-Tab', 'a\tb'],
      ]),
    ).toBeUndefined();
  });

  test.each([0, 101, 1000])('may not have status %p', (statusCode) => {
    expect(fault({ statusCode })).toBe('status out of range');
  });

  test.each<[string, string]>([
    ['', 'x'],
    ['a b', 'x'],
    ['a:', 'x'],
    ['a\r\n', 'x'],
    ['é', 'x'],
    ['a', 'x\r\ninjected: 1'],
    ['a', '\u0000'],
    ['a', '\u0100'],
  ])('may not have the header %p: %p', (name, value) => {
    expect(fault({}, [[name, value]])).toMatch(/^header/);
  });

  test('is bounded in every part', () => {
    expect(fault({ body: new Uint8Array(16 * 1024 + 1) })).toBe('inline body too large');
    expect(fault({ finalUrl: 'x'.repeat(64 * 1024 + 1) })).toBe('final URL too long');
    expect(
      fault(
        {},
        Array.from({ length: 257 }, () => ['a', '']),
      ),
    ).toBe('too many headers');
    expect(fault({}, [['a', 'x'.repeat(64 * 1024)]])).toBe('headers too large');
  });
});

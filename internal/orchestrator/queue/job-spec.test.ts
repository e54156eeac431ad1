import { describe, expect, test } from '@jest/globals';
import { anyTarget } from '../route/candidate.ts';
import { decodeAbout, decodeSpec, encodeAbout, encodeSpec } from './job-spec.ts';
import { spec } from './queue-fixture.ts';

const full = spec(
  {
    target: { ...anyTarget, country: 'DE', labels: new Map([['pool', 'a']]) },
    idempotent: false,
    retryOnStatus: [429, 503],
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
  { method: 'POST', headers: [{ name: 'X-Name', value: 'v\u00e4lue' }], body: Buffer.from([0, 255, 10]) },
);

/** A spec whose JSON was changed on its way. */
function changed(change: (json: Record<string, unknown>) => unknown): Uint8Array {
  const bytes = Buffer.from(encodeSpec(full));
  const end = 4 + bytes.readUInt32BE(0);
  const json = JSON.parse(bytes.toString('utf8', 4, end)) as Record<string, unknown>;
  change(json);
  const head = Buffer.from(JSON.stringify(json));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, bytes.subarray(end)]);
}

describe('what a durable job asks', () => {
  test('comes back from its bytes as it was, body byte for byte', () => {
    const read = decodeSpec(encodeSpec(full));
    expect({ ...read, request: { ...read.request, body: Buffer.from(read.request.body) } }).toEqual(full);
  });

  test('a field that a newer version wrote is refused, never ignored', () => {
    expect(() => decodeSpec(changed((json) => Object.assign(json, { sticky: 'yes' })))).toThrow('sticky');
  });

  test.each([
    ['no length', Buffer.of(1, 2)],
    ['a length beyond the end', Buffer.from('\0\0\xff\xff{}', 'latin1')],
    ['no JSON', Buffer.from('\0\0\0\x02xx')],
    ['a field that is missing', changed((json) => void delete json.timeoutMs)],
  ])('bytes with %s are refused', (_, bytes) => {
    expect(() => decodeSpec(bytes)).toThrow();
  });
});

test('what lists show of a request comes back, and text of another version tells nothing', () => {
  const about = { caller: 'billing', method: 'GET', url: 'https://origin.test/' };
  expect(decodeAbout(encodeAbout(about))).toEqual(about);
  expect(decodeAbout('{"by": "somebody"}')).toEqual({ caller: '', method: '', url: '' });
  expect(decodeAbout('')).toEqual({ caller: '', method: '', url: '' });
});

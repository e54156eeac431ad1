import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkHeaders, checkMethod, parseTarget, type RequestFault, type RequestTarget } from './http-rules.ts';
import { limits } from './limits.ts';

function target(url: string): RequestTarget {
  const parsed = parseTarget(url);
  if (parsed.kind === 'fault') throw new Error(`${url}: ${parsed.detail}`);
  return parsed;
}

function fault(url: string): RequestFault {
  const parsed = parseTarget(url);
  if (parsed.kind === 'target') throw new Error(`${url} was taken`);
  return parsed;
}

describe('a URL', () => {
  test('leaves with its path and query byte for byte', () => {
    for (const path of [
      '/a/../b',
      '/%7Euser/./x',
      '/a//b?x=%2f&y=a b'.replace(' ', '+'),
      '/?q={"a":[1]}|^`',
      '/;a=b?c?d',
    ])
      expect(target(`http://example.com${path}`).pathAndQuery).toBe(path);
  });

  test('any path and query of printable ASCII survive, and the host is what WHATWG reads', () => {
    const printable = fc.string({ unit: fc.constantFrom(...printableAscii()), maxLength: 60 });
    fc.assert(
      fc.property(printable, (rest) => {
        const parsed = target(`https://example.com/${rest}`);
        expect(parsed.pathAndQuery).toBe(`/${rest}`.split('#')[0]);
        expect(parsed.hostname).toBe(new URL(`https://example.com/${rest}`).hostname);
      }),
    );
  });

  test('without a path gets one, and loses its fragment', () => {
    expect(target('http://h').pathAndQuery).toBe('/');
    expect(target('http://h?x').pathAndQuery).toBe('/?x');
    expect(target('http://h#f').pathAndQuery).toBe('/');
    expect(target('http://h/a?b#c?d')).toMatchObject({ pathAndQuery: '/a?b', url: 'http://h/a?b' });
  });

  test('names its origin, authority, host and port', () => {
    expect(target('HTTPS://Example.COM:443/')).toMatchObject({
      secure: true,
      origin: 'https://example.com',
      authority: 'example.com',
      hostname: 'example.com',
      port: 443,
    });
    expect(target('http://[::1]:8081/')).toMatchObject({
      secure: false,
      origin: 'http://[::1]:8081',
      authority: '[::1]:8081',
      hostname: '::1',
      port: 8081,
    });
    expect(target('http://bücher.example/').authority).toBe('xn--bcher-kva.example');
    expect(target('http://0x7f.1/').hostname).toBe('127.0.0.1');
  });

  test.each([
    ['ftp://example.com/', 'begin with'],
    ['example.com', 'begin with'],
    ['', 'begin with'],
    [' http://example.com/', 'begin with'],
    ['http:/example.com', 'begin with'],
    ['javascript:alert(1)', 'begin with'],
    ['http:///path', 'no host'],
    ['http://?x', 'no host'],
    ['http://user@example.com/', 'user name'],
    ['http://user:secret@example.com/', 'user name'],
    ['http://example.com@127.0.0.1/', 'user name'],
    ['http://example.com:0/', 'port 0'],
    ['http://example.com:65536/', 'not valid'],
    ['http://example.com:http/', 'not valid'],
    ['http://:80/', 'not valid'],
    ['http://[::1/', 'not valid'],
    ['http://exa<mple.com/', 'not valid'],
    ['http://1.2.3.4.5/', 'not valid'],
    ['http://exam ple.com/', 'in its host'],
    ['http://exam\tple.com/', 'in its host'],
    ['http://good.example\\@evil.example/', 'user name'],
    ['http://good.example\\evil/', 'in its host'],
    ['http://example.com/a b', 'percent-encode'],
    ['http://example.com/ü', 'percent-encode'],
    ['http://example.com/?q=ü', 'percent-encode'],
    ['http://example.com/a\r\nX: y', 'percent-encode'],
    ['http://example.com/a\\b', 'percent-encode'],
    ['http://example.com/\u0000', 'percent-encode'],
  ])('%j is refused, because it %s', (url, detail) => {
    expect(fault(url)).toMatchObject({ field: 'url', detail: expect.stringContaining(detail), tooLarge: false });
  });

  test('a fault never repeats the URL', () => {
    expect(fault('http://user:secret@example.com/').detail).not.toContain('secret');
  });

  test('is bounded in length', () => {
    const longest = `http://h/${'a'.repeat(limits.maxUrlBytes - 9)}`;
    expect(target(longest).pathAndQuery).toHaveLength(limits.maxUrlBytes - 8);
    expect(fault(`${longest}a`)).toMatchObject({ tooLarge: true });
  });
});

describe('a method', () => {
  test('may be any token but CONNECT and TRACE', () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'X-own!'])
      expect(checkMethod(method)).toBeUndefined();
    for (const method of ['CONNECT', 'TRACE', 'connect', 'Trace', '', 'GET ', 'GE T', 'GET\r\n', 'GÉT', 'A/B'])
      expect(checkMethod(method)).toMatchObject({ kind: 'fault', field: 'method', tooLarge: false });
    expect(checkMethod('M'.repeat(33))).toMatchObject({ field: 'method', tooLarge: false });
  });
});

describe('headers', () => {
  const check = (...pairs: [string, string][]) =>
    checkHeaders(
      pairs.map(([name, value]) => ({ name, value })),
      'example.com',
    );

  test('may repeat, be empty, and hold latin-1', () => {
    expect(check(['X-A', '1'], ['x-a', '2'], ['x-b', ''], ['x-c', 'caf\u00e9\t\u00ff'])).toBeUndefined();
  });

  test.each([
    'Connection',
    'content-length',
    'Expect',
    'HTTP2-Settings',
    'Keep-Alive',
    'Proxy-Authorization',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'TRANSFER-ENCODING',
    'upgrade',
  ])('%s is refused by name', (name) => {
    const lower = name.toLowerCase();
    expect(check(['accept', '*/*'], [name, 'x'])).toMatchObject({
      field: 'headers[1]',
      detail: expect.stringContaining(lower),
    });
  });

  test.each(['', 'a b', 'a:', 'a\r\nb', 'ä', '(a)'])('%j is no name', (name) => {
    expect(check([name, 'x'])).toMatchObject({ field: 'headers[0]', detail: expect.stringContaining('name') });
  });

  test.each(['a\rb', 'a\nb', 'a\0b', 'a\u007fb', 'a\u0100b', '\u001b'])('%j is no value', (value) => {
    expect(check(['x', value])).toMatchObject({ field: 'headers[0]', detail: expect.stringContaining('value') });
  });

  test('Host may repeat the URL once and nothing else', () => {
    expect(check(['Host', 'Example.com'])).toBeUndefined();
    expect(check(['Host', 'other.example'])).toMatchObject({ field: 'headers[0]' });
    expect(check(['host', 'example.com'], ['Host', 'example.com'])).toMatchObject({ field: 'headers[1]' });
  });

  test('are bounded in number and size', () => {
    const many = Array.from({ length: limits.maxHeaders }, (): [string, string] => ['x', '1']);
    expect(check(...many)).toBeUndefined();
    expect(check(...many, ['x', '1'])).toMatchObject({ field: 'headers', tooLarge: true });
    expect(check(['x', 'a'.repeat(limits.maxHeaderBytes - 1)])).toBeUndefined();
    expect(check(['x', 'a'.repeat(limits.maxHeaderBytes)])).toMatchObject({ field: 'headers', tooLarge: true });
  });
});

function printableAscii(): string[] {
  return Array.from({ length: 0x7e - 0x20 }, (_, i) => String.fromCharCode(0x21 + i)).filter((char) => char !== '\\');
}

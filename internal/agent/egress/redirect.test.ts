import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseTarget, type RequestTarget } from '../../wire/http-rules.ts';
import { isRedirect, nextRequest } from './redirect.ts';

function target(url: string): RequestTarget {
  const parsed = parseTarget(url);
  if (parsed.kind === 'fault') throw new Error(parsed.detail);
  return parsed;
}

const headers = [
  { name: 'Authorization', value: 'Bearer t' },
  { name: 'X-A', value: '1' },
  { name: 'COOKIE', value: 'a=1' },
  { name: 'Content-Type', value: 'text/plain' },
  { name: 'content-language', value: 'en' },
  { name: 'x-a', value: '2' },
];

function next(from: { url?: string; method?: string; status?: number }, ...locations: string[]) {
  const current = { target: target(from.url ?? 'https://a.test/dir/page?q=1'), method: from.method ?? 'GET', headers };
  return nextRequest(
    current,
    from.status ?? 302,
    locations.map((value) => ({ name: 'LOCATION', value })),
  );
}

const names = (request: ReturnType<typeof next>) => request?.headers.map(({ name }) => name);

describe('method and body after a redirect', () => {
  test.each([
    [301, 'POST', 'GET', false],
    [302, 'POST', 'GET', false],
    [303, 'POST', 'GET', false],
    [303, 'PUT', 'GET', false],
    [303, 'DELETE', 'GET', false],
    [303, 'HEAD', 'HEAD', true],
    [303, 'GET', 'GET', true],
    [301, 'PUT', 'PUT', true],
    [302, 'DELETE', 'DELETE', true],
    [302, 'HEAD', 'HEAD', true],
    [307, 'POST', 'POST', true],
    [308, 'POST', 'POST', true],
    [308, 'PATCH', 'PATCH', true],
  ])('%i turns %s into %s, body kept: %s', (status, method, becomes, keepsBody) => {
    expect(next({ status, method }, '/x')).toMatchObject({ method: becomes, keepsBody });
  });

  test('the headers of a body go with the body, all others stay in order', () => {
    expect(names(next({ status: 303, method: 'POST' }, '/x'))).toEqual(['Authorization', 'X-A', 'COOKIE', 'x-a']);
    expect(names(next({ status: 307, method: 'POST' }, '/x'))).toEqual(headers.map(({ name }) => name));
  });

  test('no other status is a redirect', () => {
    for (const status of [300, 304, 305, 306, 309, 200, 404]) expect(isRedirect(status)).toBe(false);
  });
});

describe('credentials', () => {
  test.each([
    ['https://b.test/', false],
    ['http://a.test/', false],
    ['https://a.test:8443/', false],
    ['https://sub.a.test/', false],
    ['https://a.test:443/other', true],
    ['/other', true],
  ])('to %s go along: %s', (location, kept) => {
    const sent = names(next({}, location));
    expect(sent?.includes('Authorization')).toBe(kept);
    expect(sent?.includes('COOKIE')).toBe(kept);
  });

  test('once dropped they do not come back, whatever the hops', () => {
    const url = fc.constantFrom('https://a.test/1', 'https://b.test/2', 'http://a.test/3', '/4');
    fc.assert(
      fc.property(fc.array(url, { maxLength: 8 }), fc.constantFrom(301, 302, 303, 307, 308), (locations, status) => {
        let current = { target: target('https://a.test/'), method: 'GET', headers: headers as typeof headers };
        let crossed = false;
        for (const value of locations) {
          const hop = nextRequest(current, status, [{ name: 'location', value }]);
          if (!hop) throw new Error('not followed');
          crossed ||= hop.target.origin !== current.target.origin;
          expect(hop.headers.some(({ name }) => name === 'Authorization')).toBe(!crossed);
          current = { ...hop, headers: [...hop.headers] };
        }
      }),
    );
  });
});

describe('the location', () => {
  test.each([
    ['/abs', 'https://a.test/abs'],
    ['rel', 'https://a.test/dir/rel'],
    ['../up', 'https://a.test/up'],
    ['?q=2', 'https://a.test/dir/page?q=2'],
    ['//b.test/x', 'https://b.test/x'],
    ['https://b.test/x#frag', 'https://b.test/x'],
    ['/a b', 'https://a.test/a%20b'],
    [Buffer.from('/ü', 'utf8').toString('latin1'), 'https://a.test/%C3%BC'],
    ['https://b.test', 'https://b.test/'],
  ])('%j leads to %s', (location, url) => {
    expect(next({}, location)?.target.url).toBe(url);
  });

  test.each([
    [[]],
    [['/one', '/two']],
    [['ftp://a.test/']],
    [['javascript:alert(1)']],
    [['file:///etc/passwd']],
    [['https://user:pass@b.test/']],
    [['https://']],
    [['http://[::1']],
    [['https://a.test:0/']],
    [[`/${'a'.repeat(9000)}`]],
  ])('%j cannot be followed', (locations) => {
    expect(next({}, ...locations)).toBeUndefined();
  });

  test('any text either cannot be followed or leads to an http or https origin', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 40 }), (location) => {
        const hop = next({}, location);
        if (hop) expect(new URL(hop.target.url).origin).toBe(hop.target.origin);
      }),
    );
  });
});

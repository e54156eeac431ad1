import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseRedisUrl, type RedisUrl, RedisUrlError } from './redis-url.ts';

const plain = { login: undefined, tls: undefined };
const systemTls = { caPath: undefined, certPath: undefined, keyPath: undefined, name: undefined };

const readable: readonly [string, RedisUrl][] = [
  ['redis://cache', { kind: 'single', ...plain, address: { host: 'cache', port: 6379 }, db: 0 }],
  ['redis://Cache.Example:7000/', { kind: 'single', ...plain, address: { host: 'cache.example', port: 7000 }, db: 0 }],
  ['redis://[::1]:7000/3', { kind: 'single', ...plain, address: { host: '::1', port: 7000 }, db: 3 }],
  [
    'rediss://pod:p%40ss%3A@10.0.0.1/15?tlsCa=%2Fca.pem',
    {
      kind: 'single',
      login: { username: 'pod', password: 'p@ss:' },
      tls: { ...systemTls, caPath: '/ca.pem' },
      address: { host: '10.0.0.1', port: 6379 },
      db: 15,
    },
  ],
  [
    'redis+sentinel://:secret@s1,s2:26000,[fd00::3]/main?sentinelPassword=other',
    {
      kind: 'sentinel',
      login: { username: undefined, password: 'secret' },
      tls: undefined,
      sentinels: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_000 },
        { host: 'fd00::3', port: 26_379 },
      ],
      master: 'main',
      sentinelLogin: { username: undefined, password: 'other' },
    },
  ],
  [
    'rediss+cluster://n1:7001,n2:7002?tlsName=redis.internal&tlsCert=c.pem&tlsKey=k.pem',
    {
      kind: 'cluster',
      login: undefined,
      tls: { caPath: undefined, certPath: 'c.pem', keyPath: 'k.pem', name: 'redis.internal' },
      nodes: [
        { host: 'n1', port: 7001 },
        { host: 'n2', port: 7002 },
      ],
    },
  ],
];

test.each(readable)('%s is understood', (text, url) => {
  expect(parseRedisUrl(text)).toEqual(url);
});

const secret = 'hunter2';
const refused: readonly [string, RegExp][] = [
  ['', /must be SCHEME/],
  [secret, /must be SCHEME/],
  ['http://cache', /must begin with one of redis:\/\//],
  ['REDIS://cache', /must be SCHEME/],
  ['redis-sentinel://s1/main', /must be SCHEME/],
  ['constructor://cache', /must begin with/],
  [`redis://${secret}@cache`, /USER:PASSWORD@, or :PASSWORD@/],
  [`redis://pod:@cache`, /without a password/],
  [`redis://pod:${secret}:more@cache`, /second colon/],
  [`redis://pod:${secret}@more@cache`, /percent-encoded/],
  [`redis://pod:${secret}/more@cache`, /percent-encoded/],
  [`redis://pod:${secret}#more@cache`, /percent-encoded/],
  [`redis://pod:${secret}%zz@cache`, /holds a %/],
  [`redis://pod:${secret} @cache`, /space/],
  ['redis://a,b', /several hosts/],
  ['redis://a:0', /port/],
  ['redis://a:65536', /port/],
  ['redis://a:', /HOST:PORT/],
  ['redis://::1', /brackets/],
  ['redis://[cache]', /not an IPv6/],
  ['redis://-a', /HOST:PORT/],
  ['redis://cache/one', /number/],
  ['redis://cache/01', /number/],
  ['redis://cache/99999', /number/],
  ['redis://cache/0/1', /must be SCHEME/],
  [`redis://cache?password=${secret}`, /it has none/],
  ['redis://cache?tlsCa=ca.pem', /it has none/],
  ['rediss://cache?db=1', /it has tlsCa, tlsCert, tlsKey, tlsName/],
  ['rediss://cache?tlsCa=', /one value/],
  ['rediss://cache?tlsCa=a&tlsCa=b', /twice/],
  ['rediss://cache?tlsCert=c.pem', /together/],
  ['redis+sentinel://s1', /\/NAME/],
  ['redis+sentinel://s1/main/0', /must be SCHEME/],
  ['redis+sentinel://s1,s1:26379/main', /twice/],
  ['redis+sentinel://s1,/main', /HOST:PORT/],
  ['redis+sentinel://s1/main?sentinelUsername=pod', /sentinelPassword with/],
  ['redis+cluster://n1/1', /only one/],
];

test.each(refused)('%s is refused', (text, sentence) => {
  expect(() => parseRedisUrl(text)).toThrow(sentence);
});

test('no sentence repeats the password', () => {
  for (const [text] of refused) expect(sentenceOf(text)).not.toContain(secret);
});

test('neither hosts nor text without end', () => {
  const hosts = Array.from({ length: 33 }, (_, index) => `n${index}`);
  expect(sentenceOf(`redis+cluster://${hosts.join(',')}`)).toMatch(/more than 32/);
  expect(sentenceOf(`redis://${'a'.repeat(5000)}`)).toMatch(/longer/);
});

test('any password passes when it is percent-encoded, and comes out as it was', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(text, text, (username, password) => {
      const url = `redis+cluster://${encodeURIComponent(username)}:${encode(password)}@n1`;
      expect(parseRedisUrl(url).login).toEqual({ username, password });
    }),
  );
});

test('whatever stands there, it is read or refused with a sentence of ours', () => {
  const shreds = fc.array(
    fc.constantFrom(
      'redis',
      'rediss',
      '+sentinel',
      '+cluster',
      '://',
      ':',
      '@',
      '/',
      '?',
      ',',
      '[',
      ']',
      '%',
      'a',
      '1',
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        shreds.map((items) => items.join('')),
      ),
      (text) => {
        try {
          expect(['single', 'sentinel', 'cluster']).toContain(parseRedisUrl(text).kind);
        } catch (error) {
          expect(error).toBeInstanceOf(RedisUrlError);
        }
      },
    ),
  );
});

function sentenceOf(text: string): string {
  try {
    return `accepted as ${parseRedisUrl(text).kind}`;
  } catch (error) {
    return error instanceof RedisUrlError ? error.message : `another error: ${String(error)}`;
  }
}

/** As encodeURIComponent, which leaves a few characters alone. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

import { describe, expect, test } from '@jest/globals';
import { OwnNetwork } from '../../guard/own-network.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { CallbackRules, parseReceiver } from './callback-rules.ts';

function rules(...allowed: string[]): CallbackRules {
  const own = new OwnNetwork({ clock: new ManualClock(), interfaces: () => ({}), gateways: () => [] });
  return new CallbackRules(allowed.map(parseReceiver), own);
}

const allowed = ['10.0.0.0/8:8443', 'hooks.example.org:8080'];

describe('where a callback may be told to go', () => {
  test.each([
    ['https://receiver.example.com/hook', undefined],
    ['https://receiver.example.com:8443/hook', undefined],
    ['https://receiver.example.com:9999/hook', /port/],
    ['http://receiver.example.com/hook', /https/],
    ['http://hooks.example.org:8080/hook', undefined],
    ['http://deep.hooks.example.org:8080/hook', undefined],
    ['http://hooks.example.org/hook', /https/],
    ['http://nothooks.example.org:8080/hook', /https/],
    ['http://HOOKS.EXAMPLE.ORG:8080/hook', undefined],
    ['ftp://receiver.example.com/', /https/],
  ])('%s', (url, fault) => {
    const said = rules(...allowed).fault(new URL(url));
    if (fault) expect(said).toMatch(fault);
    else expect(said).toBeUndefined();
  });
});

describe('what its name may turn out to be', () => {
  test.each([
    ['https://receiver.example.com/', '93.184.216.34', 443, 'allowed'],
    ['https://receiver.example.com/', '10.1.2.3', 443, 'prohibited-address'],
    ['https://receiver.example.com/', '169.254.169.254', 443, 'prohibited-address'],
    ['https://receiver.example.com:8443/', '10.1.2.3', 8443, 'allowed'],
    ['https://receiver.example.com:8443/', '93.184.216.34', 8443, 'port-refused'],
    ['http://hooks.example.org:8080/', '10.1.2.3', 8080, 'allowed'],
    ['http://hooks.example.org:8080/', '93.184.216.34', 8080, 'allowed'],
    ['http://other.example.org:8443/', '127.0.0.1', 8443, 'prohibited-address'],
    ['http://other.example.org:8443/', '93.184.216.34', 8443, 'port-refused'],
  ])('%s at %s', (url, address, port, verdict) => {
    expect(
      rules(...allowed)
        .guardFor(new URL(url))
        .judge(address, port).kind,
    ).toBe(verdict);
  });
});

test.each(['10.0.0.0/8', '10.0.0.1:80', 'hooks.example.org', 'hooks.example.org:0', 'hooks.example.org:70000', ':80'])(
  'a receiver that is written so is refused: %s',
  (text) => {
    expect(() => parseReceiver(text)).toThrow(/^(must|has)/);
  },
);

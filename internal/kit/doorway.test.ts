import { EventEmitter } from 'node:events';
import type { Server, Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { Doorway, type DoorwayLimits } from './doorway.ts';
import { ManualClock } from './manual-clock.ts';

const limits: DoorwayLimits = { maxKnown: 3, maxStrangers: 3, maxStrangersPerAddress: 2, askWithinMs: 5_000 };

/** As much of a socket as a doorway sees. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  errored: Error | null = null;
  destroyed = false;

  constructor(address: string, port: number) {
    super();
    this.remoteAddress = address;
    this.remotePort = port;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

function open() {
  const clock = new ManualClock();
  const doorway = new Doorway({ limits, groupOf: (address) => (address === 'proxy' ? undefined : address), clock });
  const server = new EventEmitter();
  doorway.lookAfter(server as Server);
  let port = 0;
  const connect = (address: string) => {
    const socket = new FakeSocket(address, ++port);
    server.emit('connection', socket as unknown as Socket);
    return socket;
  };
  return { clock, doorway, server, connect };
}

test('an address that connects too often pushes out its own oldest connection', () => {
  const { doorway, connect } = open();
  const other = connect('b');
  const crowd = ['a', 'a', 'a'].map(connect);
  expect([other, ...crowd].map(({ destroyed }) => destroyed)).toEqual([false, true, false, false]);
  expect(doorway.cuts).toEqual({ overdue: 0, address: 1, crowd: 0, full: 0 });
});

test('behind a proxy only the bound on all counts', () => {
  const { doorway, connect } = open();
  const crowd = ['proxy', 'proxy', 'proxy', 'proxy'].map(connect);
  expect(crowd.map(({ destroyed }) => destroyed)).toEqual([true, false, false, false]);
  expect(doorway.cuts.crowd).toBe(1);
});

test('who is known is never pushed out, by whichever object it was named', () => {
  const { doorway, connect } = open();
  const known = connect('a');
  doorway.vouchFor({ remoteAddress: 'a', remotePort: known.remotePort });
  for (let i = 0; i < 20; i++) connect(i % 2 ? 'a' : 'proxy');
  expect(known.destroyed).toBe(false);
  expect(doorway).toMatchObject({ known: 1, strangers: 3 });
});

test('newcomers are refused while those who are known fill the door', () => {
  const { doorway, connect } = open();
  for (let i = 0; i < limits.maxKnown; i++) doorway.vouchFor(connect('a'));
  expect(connect('b').destroyed).toBe(true);
  expect(doorway.cuts.full).toBe(1);
});

test('who asks nothing in time is cut; who has asked, or is known, is not', async () => {
  const { clock, doorway, connect } = open();
  const [silent, asked, known] = [connect('a'), connect('b'), connect('c')];
  doorway.asked(asked);
  doorway.vouchFor(known);
  await clock.advance(limits.askWithinMs + 500);
  expect([silent, asked, known].map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
  expect(doorway.cuts.overdue).toBe(1);
});

test('what Node cuts for being late is counted too', () => {
  const { doorway, server, connect } = open();
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  const plain = connect('a');
  plain.errored = late;
  plain.emit('close');
  const secure = new FakeSocket('b', 1);
  server.emit('secureConnection', secure);
  secure.errored = late;
  secure.emit('close');
  server.emit('tlsClientError', Object.assign(new Error(), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }));
  server.emit('tlsClientError', Object.assign(new Error(), { code: 'ECONNRESET' }));
  expect(doorway.cuts.overdue).toBe(3);
});

test('a peer that is back from the same port is not forgotten with its old connection', () => {
  const { doorway, server } = open();
  const [before, after] = [new FakeSocket('a', 7), new FakeSocket('a', 7)];
  server.emit('connection', before);
  server.emit('connection', after);
  before.emit('close');
  expect(doorway).toMatchObject({ known: 0, strangers: 1 });
});

test('is empty, and without a timer, when every connection has closed', async () => {
  const { clock, doorway, connect } = open();
  const [stranger, known] = [connect('a'), connect('b')];
  doorway.vouchFor(known);
  const empty = doorway.onceEmpty();
  stranger.emit('close');
  expect(clock.pending).toBe(0);
  known.emit('close');
  await empty;
  expect(doorway).toMatchObject({ known: 0, strangers: 0 });
});

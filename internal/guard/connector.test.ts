import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket, connect as tcpConnect } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../kit/clock.ts';
import { ManualClock } from '../kit/manual-clock.ts';
import { type PemPair, selfSigned } from '../kit/self-signed.ts';
import { ConnectError } from './connect-error.ts';
import { type Connection, Connector, type ConnectorOptions, type ConnectTarget, type Resolve } from './connector.ts';
import { parseEndpoint } from './endpoint.ts';
import { Guard } from './guard.ts';
import { OwnNetwork } from './own-network.ts';

const never = new AbortController().signal;
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function guard(...endpoints: string[]): Guard {
  const own = new OwnNetwork({ clock: systemClock, interfaces: () => ({}), gateways: () => [] });
  own.observe('81.2.69.142');
  return new Guard({ own, allowPorts: [80, 443], allowEndpoints: endpoints.map(parseEndpoint) });
}

function target(url: string): ConnectTarget {
  const { hostname, port, protocol } = new URL(url);
  const secure = protocol === 'https:';
  return {
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 443 : 80) : Number(port),
    secure,
    tlsSession: { session: undefined },
  };
}

function answering(...addresses: string[]): Resolve {
  return async () => addresses.map((address) => ({ address }));
}

const mustNotDial = (): Socket => {
  throw new Error('dialled a refused address');
};

async function open(options: Partial<ConnectorOptions> & { guard: Guard }, to: ConnectTarget): Promise<Connection> {
  const connection = await new Connector({ clock: systemClock, ...options }).connect(to, never);
  cleanUps.push(() => connection.socket.destroy());
  return connection;
}

async function failure(work: Promise<unknown>): Promise<ConnectError> {
  const outcome = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  if (outcome instanceof ConnectError) return outcome;
  throw new Error('expected a ConnectError', { cause: outcome });
}

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

describe('refused without a packet', () => {
  test.each([
    ['loopback', 'http://127.0.0.1/'],
    ['loopback, short form', 'http://127.1/'],
    ['RFC 1918', 'http://10.0.0.1/'],
    ['RFC 1918', 'http://172.20.1.1/'],
    ['RFC 1918', 'https://192.168.0.1/'],
    ['metadata', 'http://169.254.169.254/latest/meta-data/'],
    ['CGNAT', 'http://100.64.0.1/'],
    ['the unspecified address', 'http://0/'],
    ['broadcast', 'http://255.255.255.255/'],
    ['multicast', 'http://224.0.0.251/'],
    ['decimal host', 'http://2130706433/'],
    ['octal host', 'http://0177.0.0.1/'],
    ['hexadecimal host', 'http://0x7f000001/'],
    ['percent-encoded host', 'http://%31%32%37.0.0.1/'],
    ['full-width digits', 'http://１２７.0.0.1/'],
    ['IPv6 loopback', 'http://[::1]/'],
    ['ULA', 'http://[fd00::1]/'],
    ['link-local', 'http://[fe80::1]/'],
    ['site-local', 'http://[fec0::1]/'],
    ['v4-mapped', 'http://[::ffff:127.0.0.1]/'],
    ['v4-mapped in hex', 'http://[::ffff:7f00:1]/'],
    ['v4-compatible', 'http://[::127.0.0.1]/'],
    ['NAT64', 'http://[64:ff9b::192.168.1.1]/'],
    ['local-use NAT64', 'http://[64:ff9b:1::8.8.8.8]/'],
    ['6to4', 'http://[2002:c0a8:101::1]/'],
    ['Teredo', 'http://[2001::7f00:1]/'],
    ['own address', 'http://81.2.69.142/'],
    ['own address, v4-mapped', 'http://[::ffff:81.2.69.142]/'],
  ])('%s: %s', async (_what, url) => {
    const resolve: Resolve = () => {
      throw new Error('resolved a literal');
    };
    const error = await failure(open({ guard: guard(), resolve, dial: mustNotDial }, target(url)));
    expect(error.code).toBe('prohibited-address');
  });

  test.each([
    ['one inside address', ['192.168.1.1']],
    ['public then private', ['8.8.8.8', '10.0.0.1']],
    ['private then public', ['fd00::1', '8.8.8.8']],
    ['its own public address', ['81.2.69.142']],
    ['an address with a zone', ['fe80::1%eth0']],
  ])('a name that resolves to %s', async (_what, addresses) => {
    const resolve = answering(...addresses);
    const error = await failure(open({ guard: guard(), resolve, dial: mustNotDial }, target('http://name.test/')));
    expect(error.code).toBe('prohibited-address');
  });

  test('a port that the owner does not allow', async () => {
    const error = await failure(
      open({ guard: guard(), resolve: answering('8.8.8.8'), dial: mustNotDial }, target('http://name.test:25/')),
    );
    expect(error.code).toBe('port-refused');
  });
});

test('a name is resolved once and the vetted address is dialled', async () => {
  const port = await listen(createServer());
  let resolved = 0;
  const resolve: Resolve = async () => [{ address: resolved++ === 0 ? '127.0.0.1' : '10.0.0.1' }];
  const { socket, timings } = await open(
    { guard: guard(`127.0.0.1/32:${port}`), resolve },
    target(`http://name.test:${port}/`),
  );
  expect(resolved).toBe(1);
  expect(socket.remoteAddress).toBe('127.0.0.1');
  expect(timings.connectUs).toBeGreaterThan(0);
  expect(timings.tlsUs).toBe(0);
});

test('of several vetted addresses one that answers is taken', async () => {
  const port = await listen(createServer());
  const endpoints = [`127.0.0.1/32:${port}`, `127.0.0.9/32:${port}`];
  const resolve = answering('127.0.0.9', '127.0.0.1');
  const { socket } = await open({ guard: guard(...endpoints), resolve }, target(`http://name.test:${port}/`));
  expect(socket.remoteAddress).toBe('127.0.0.1');
});

test('a socket that ended up elsewhere than vetted is dropped before the first byte', async () => {
  const port = await listen(createServer());
  let dialled: Socket | undefined;
  const dial = () => {
    dialled = tcpConnect({ host: '127.0.0.1', port });
    return dialled;
  };
  const error = await failure(open({ guard: guard(), resolve: answering('8.8.8.8'), dial }, target('http://a.test/')));
  expect(error).toMatchObject({ code: 'prohibited-address', range: 'unvetted' });
  expect(dialled).toMatchObject({ destroyed: true, bytesWritten: 0 });
});

describe('what went wrong is told by code', () => {
  async function codeFor(error: Error & { code?: string }): Promise<string> {
    const resolve: Resolve = () => Promise.reject(error);
    return (await failure(open({ guard: guard(), resolve, dial: mustNotDial }, target('http://a.test/')))).code;
  }

  test('a name that does not exist, and one that has no address', async () => {
    expect(await codeFor(Object.assign(new Error(), { code: 'ENOTFOUND' }))).toBe('nxdomain');
    const none = await failure(open({ guard: guard(), resolve: answering() }, target('http://a.test/')));
    expect(none.code).toBe('nxdomain');
  });

  test('a resolver that fails', async () => {
    expect(await codeFor(Object.assign(new Error(), { code: 'EAI_AGAIN' }))).toBe('dns-failure');
  });

  test('a port where nobody listens', async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(open({ guard: guard(`127.0.0.1/32:${port}`) }, target(`http://127.0.0.1:${port}/`)));
    expect(error.code).toBe('refused');
  });

  test.each([
    ['ENETUNREACH', 'unroutable'],
    ['EHOSTUNREACH', 'unroutable'],
    ['ETIMEDOUT', 'timeout'],
  ])('%s is %s', async (code, expected) => {
    const dial = () => {
      const socket = new Socket();
      queueMicrotask(() => socket.destroy(Object.assign(new Error(), { code })));
      return socket;
    };
    const error = await failure(open({ guard: guard(), dial }, target('http://8.8.8.8/')));
    expect(error.code).toBe(expected);
  });
});

describe('bounded in time', () => {
  function hanging(clock: ManualClock, options: Partial<ConnectorOptions> = {}) {
    return new Connector({ guard: guard(), clock, timeoutMs: 10_000, ...options });
  }
  const silent = () => new Socket();

  test('a resolver that does not answer is a DNS failure after the timeout', async () => {
    const clock = new ManualClock();
    const connector = hanging(clock, { resolve: () => new Promise(() => {}) });
    const outcome = failure(connector.connect(target('http://a.test/'), never));
    await clock.advance(10_000);
    expect((await outcome).code).toBe('dns-failure');
    expect(clock.pending).toBe(0);
  });

  test('an origin that does not answer is a timeout, and its socket is given up', async () => {
    const clock = new ManualClock();
    const socket = silent();
    const outcome = failure(hanging(clock, { dial: () => socket }).connect(target('http://8.8.8.8/'), never));
    await clock.advance(10_000);
    expect((await outcome).code).toBe('timeout');
    expect(socket.destroyed).toBe(true);
    expect(socket.listenerCount('connect')).toBe(0);
  });

  test.each(['resolving', 'dialling'])('an abort while %s ends it at once', async (phase) => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const resolve: Resolve = phase === 'resolving' ? () => new Promise(() => {}) : answering('8.8.8.8');
    const connector = hanging(clock, { resolve, dial: silent });
    const outcome = failure(connector.connect(target('http://a.test/'), abort.signal));
    await clock.advance(1);
    abort.abort();
    expect((await outcome).code).toBe('aborted');
    expect(clock.pending).toBe(0);
  });

  test('an abort before the start does nothing at all', async () => {
    const clock = new ManualClock();
    const connector = hanging(clock, { resolve: () => Promise.reject(new Error('resolved')), dial: mustNotDial });
    const error = await failure(connector.connect(target('http://a.test/'), AbortSignal.abort()));
    expect(error.code).toBe('aborted');
  });
});

describe('over TLS', () => {
  let pem: PemPair;
  beforeAll(() => {
    pem = selfSigned('origin');
  });

  async function tlsOrigin() {
    const server = createTlsServer({ ...pem, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
      socket.on('error', () => {});
      socket.write('hi');
    });
    const port = await listen(server);
    const seen = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    return { port, seen, guard: guard(`127.0.0.1/32:${port}`) };
  }
  const local = answering('127.0.0.1');

  test('the name goes out as SNI, only HTTP/1.1 is offered, and the certificate is verified', async () => {
    const origin = await tlsOrigin();
    const options = { guard: origin.guard, resolve: local, ca: pem.cert };
    const { socket, timings } = await open(options, target(`https://localhost.:${origin.port}/`));
    const [seen] = await origin.seen;
    expect(seen).toMatchObject({ servername: 'localhost', alpnProtocol: 'http/1.1' });
    expect(socket).toMatchObject({ authorized: true });
    expect(timings.tlsUs).toBeGreaterThan(0);
  });

  test('an IP literal sends no SNI and is verified as an address', async () => {
    const origin = await tlsOrigin();
    await open({ guard: origin.guard, ca: pem.cert }, target(`https://127.0.0.1:${origin.port}/`));
    const [seen] = await origin.seen;
    expect(seen).toMatchObject({ servername: false });
  });

  test('a certificate that nobody vouches for, or for another name, is invalid', async () => {
    const origin = await tlsOrigin();
    const options = { guard: origin.guard, resolve: local };
    const unknown = await failure(open(options, target(`https://localhost:${origin.port}/`)));
    expect(unknown.code).toBe('certificate-invalid');
    const other = await failure(open({ ...options, ca: pem.cert }, target(`https://other.test:${origin.port}/`)));
    expect(other.code).toBe('certificate-invalid');
  });

  test('an origin that speaks no TLS, or closes, is a TLS failure', async () => {
    const plain = await listen(createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const error = await failure(open({ guard: guard(`127.0.0.1/32:${plain}`) }, target(`https://127.0.0.1:${plain}/`)));
    expect(error.code).toBe('tls-failure');
    const rude = await listen(createServer((socket) => socket.destroy()));
    const closed = await failure(open({ guard: guard(`127.0.0.1/32:${rude}`) }, target(`https://127.0.0.1:${rude}/`)));
    expect(closed.code).toBe('tls-failure');
  });

  test('a handshake that hangs is aborted and the origin sees the connection close', async () => {
    let closed: Promise<unknown> = Promise.reject(new Error('nobody came'));
    closed.catch(() => {});
    const abort = new AbortController();
    const mute = createServer((socket) => {
      closed = once(socket.resume(), 'close');
      abort.abort();
    });
    const port = await listen(mute);
    const connector = new Connector({ guard: guard(`127.0.0.1/32:${port}`), clock: systemClock });
    const error = await failure(connector.connect(target(`https://127.0.0.1:${port}/`), abort.signal));
    expect(error.code).toBe('aborted');
    await closed;
  });

  test('a session is resumed only through the slot that learned it', async () => {
    const origin = await tlsOrigin();
    const connector = new Connector({ guard: origin.guard, clock: systemClock, resolve: local, ca: pem.cert });
    const mine = target(`https://localhost:${origin.port}/`);
    async function resumed(to: ConnectTarget): Promise<boolean> {
      const { socket } = await connector.connect(to, never);
      const reused = (socket as TLSSocket).isSessionReused();
      if (!reused) await once(socket.resume(), 'session');
      socket.destroy();
      return reused;
    }
    expect(await resumed(mine)).toBe(false);
    expect(mine.tlsSession.session).toBeDefined();
    expect(await resumed(target(`https://localhost:${origin.port}/`))).toBe(false);
    expect(await resumed(mine)).toBe(true);
  });
});

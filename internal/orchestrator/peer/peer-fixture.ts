// Pods on loopback for the tests of this room: certificates, a peer port, links to it; and a line between two pods that
// can be cut or made deaf.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Clock, systemClock } from '../../kit/clock.ts';
import { type PemPair, selfSigned } from '../../kit/self-signed.ts';
import { TimerWheel } from '../../kit/timer-wheel.ts';
import { BufferBudget } from '../../wire/budget.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import { RemotePod } from '../registry/pods.ts';
import type { PeerDeps } from './peer-connection.ts';
import { PeerCredential, type PeerCredentialConfig } from './peer-credential.ts';
import { PeerLinks } from './peer-links.ts';
import { PeerServer, type PeerServerOptions } from './peer-server.ts';

/** As pino writes it. */
const warnLevel = 40;

export const token = 'a-token-of-enough-characters';

/** Self-signed, so that each is its own authority. */
export const certificates = {
  peer: selfSigned('pod', ['resproxy-peer']),
  otherPeer: selfSigned('another pod', ['resproxy-peer']),
  notPeer: selfSigned('no pod', ['resproxy-peer.example', '*', 'agent']),
} as const;

export type Credentials =
  | { readonly kind: 'mtls'; readonly pair: PemPair; readonly ca: string }
  | { readonly kind: 'token'; readonly pair: PemPair; readonly ca: string; readonly tokens: string };

export const mtls: Credentials = { kind: 'mtls', pair: certificates.peer, ca: certificates.peer.cert };
export const byToken: Credentials = { ...mtls, kind: 'token', tokens: `${token}\n` };

export const request: OpenRequest = {
  exit: 'key/agent/direct',
  kind: { case: undefined },
  deadlineMs: 1000,
  jobId: 'j',
  attempt: 1,
  idempotent: true,
  isolationKey: new Uint8Array(),
  traceparent: '',
};
export const okHead = { statusCode: 200, headers: [], finalUrl: '', timings: undefined };
export const nothing = new Uint8Array();

/** Ends everything that a test started, the last first. */
export class Cleanup {
  readonly #ends: (() => unknown)[] = [];

  add(end: () => unknown): void {
    this.#ends.push(end);
  }

  async run(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly reason?: string;
}

export interface Pod {
  readonly links: PeerLinks;
  readonly server: PeerServer;
  readonly credential: PeerCredential;
  readonly deps: PeerDeps;
  readonly address: string;
  readonly folder: string;
  /** What its log says. */
  readonly lines: LogLine[];
  readonly warnings: LogLine[];
  /** Links that are up, as its metrics count them. */
  linksUp: number;
}

export interface PodOptions {
  readonly podId: string;
  readonly credentials?: Credentials;
  readonly clock?: Clock;
  readonly onStream?: (stream: AcceptedStream, podId: string) => void;
  readonly onOrder?: PeerServerOptions['onOrder'];
}

export async function startPod(cleanup: Cleanup, options: PodOptions): Promise<Pod> {
  const { podId, credentials = mtls, clock = systemClock, onStream = () => {}, onOrder = () => 0 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'peer-'));
  cleanup.add(() => rmSync(folder, { recursive: true }));
  const lines: LogLine[] = [];
  const warnings: LogLine[] = [];
  const write = (text: string) => {
    const line: LogLine = JSON.parse(text);
    lines.push(line);
    if (line.level >= warnLevel) warnings.push(line);
  };
  const log = pino({ level: 'info' }, { write });
  const credential = new PeerCredential(writeCredentials(folder, credentials), { clock, log });
  cleanup.add(() => credential.stop());
  await credential.start();
  const observer = {
    bytes() {},
    rtt() {},
    reset() {},
    blocked() {},
    linkUp: () => pod.linksUp++,
    linkDown: () => pod.linksUp--,
  };
  const wheel = new TimerWheel(clock);
  const budget = new BufferBudget(2 ** 30);
  const deps: PeerDeps = { podId, version: '1', clock, random: () => 0.5, wheel, budget, observer, log };
  const server = new PeerServer({ ...deps, host: '127.0.0.1', port: 0, credential, onStream, onOrder });
  const links = new PeerLinks({ ...deps, credential });
  const address = `127.0.0.1:${(await server.start()).port}`;
  cleanup.add(() => Promise.all([links.close(0), server.close(0)]));
  const pod: Pod = { links, server, credential, deps, address, folder, lines, warnings, linksUp: 0 };
  return pod;
}

export function writeCredentials(folder: string, credentials: Credentials): PeerCredentialConfig {
  const file = (name: string) => join(folder, name);
  replace(file('tls.crt'), credentials.pair.cert);
  replace(file('tls.key'), credentials.pair.key);
  replace(file('ca.crt'), credentials.ca);
  const paths = { certPath: file('tls.crt'), keyPath: file('tls.key'), caPath: file('ca.crt') };
  if (credentials.kind === 'mtls') return { kind: 'mtls', ...paths };
  replace(file('token'), credentials.tokens);
  return { kind: 'token', ...paths, tokenPath: file('token') };
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Has the first pod know the second, and waits for the link. */
export async function link(from: Pod, to: Pod, address = to.address): Promise<RemotePod> {
  const remote = new RemotePod(to.deps.podId, address, '1');
  from.links.podJoined(remote);
  await until(() => remote.linked);
  return remote;
}

/** Waits for what other sockets of this process bring about; fails the test after 5 s. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`never came: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A TCP line to a port. */
export class Line {
  readonly #server = createServer((near) => this.#join(near));
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #deaf = false;

  constructor(address: string) {
    this.#port = Number(address.split(':')[1]);
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing gets through any more, of old connections or new ones, and nobody is told. */
  goDeaf(): void {
    this.#deaf = true;
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1');
    if (!this.#deaf) near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  }
}

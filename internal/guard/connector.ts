// The pinned connect: resolves a host once, has the guard judge every answer, and dials only what was judged. One bad
// answer refuses the whole name, so that no name can hide an inside address behind an outside one, and nothing looks
// the name up again in between. No proxy setting of the environment is read.
import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../kit/clock.ts';
import { sameAddress } from './address.ts';
import { ConnectError, dialError, resolveError, tlsError } from './connect-error.ts';
import { type Dial, dialAddresses } from './dial.ts';
import type { Guard } from './guard.ts';
import { opened } from './opened.ts';

/** Whose TLS session may be resumed: the caller of connect gives one slot per isolation and origin. */
export interface TlsSessionSlot {
  session: Buffer | undefined;
}

export interface ConnectTarget {
  /** As WHATWG URL parsing leaves it: a name, or an IP literal without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly secure: boolean;
  readonly tlsSession: TlsSessionSlot;
}

export interface ConnectTimings {
  readonly dnsUs: number;
  readonly connectUs: number;
  readonly tlsUs: number;
}

export interface Connection {
  readonly socket: Socket | TLSSocket;
  readonly timings: ConnectTimings;
}

export type Resolve = (hostname: string) => Promise<readonly { readonly address: string }[]>;

export interface ConnectorOptions {
  readonly guard: Guard;
  readonly clock: Clock;
  readonly resolve?: Resolve;
  readonly dial?: Dial;
  /** For resolver, TCP and TLS together. */
  readonly timeoutMs?: number;
  /** Certificate authorities in PEM, instead of Node's own. */
  readonly ca?: string;
}

export class Connector {
  readonly #guard: Guard;
  readonly #clock: Clock;
  readonly #resolve: Resolve;
  readonly #dial: Dial;
  readonly #timeoutMs: number;
  readonly #ca: string | undefined;
  /** Shared: Node keeps no client session in it, so it carries nothing from one isolation to another. */
  #secureContext: SecureContext | undefined;

  constructor({ guard, clock, resolve, dial, timeoutMs, ca }: ConnectorOptions) {
    this.#guard = guard;
    this.#clock = clock;
    this.#resolve = resolve ?? ((hostname) => lookup(hostname, { all: true }));
    this.#dial = dial ?? dialAddresses;
    this.#timeoutMs = timeoutMs ?? 10_000;
    this.#ca = ca;
  }

  /** A socket that is ready for the first byte; rejects with a ConnectError. */
  async connect(target: ConnectTarget, signal: AbortSignal): Promise<Connection> {
    const stop = new AbortController();
    const onAbort = () => stop.abort(new ConnectError('aborted'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const cancelTimer = this.#clock.after(this.#timeoutMs, () => stop.abort(new ConnectError('timeout')));
    try {
      return await this.#open(target, stop.signal);
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #open(target: ConnectTarget, stop: AbortSignal): Promise<Connection> {
    const { hostname, port } = target;
    const startMs = this.#clock.now();
    const addresses = await this.#vetted(hostname, port, stop);
    const resolvedMs = this.#clock.now();
    const tcp = await this.#reach(addresses, port, stop);
    const connectedMs = this.#clock.now();
    const socket = target.secure ? await this.#secure(tcp, target, stop) : tcp;
    const timings = {
      dnsUs: microseconds(startMs, resolvedMs),
      connectUs: microseconds(resolvedMs, connectedMs),
      tlsUs: target.secure ? microseconds(connectedMs, this.#clock.now()) : 0,
    };
    return { socket, timings };
  }

  async #vetted(hostname: string, port: number, stop: AbortSignal): Promise<readonly string[]> {
    stop.throwIfAborted();
    const addresses = isIP(hostname) === 0 ? await this.#lookUp(hostname, stop) : [hostname];
    for (const address of addresses) this.#refuseForbidden(address, port);
    return addresses;
  }

  /** The resolver cannot be stopped; its late answer is dropped. */
  async #lookUp(hostname: string, stop: AbortSignal): Promise<readonly string[]> {
    try {
      const answers = await unlessStopped(this.#resolve(hostname), stop);
      if (answers.length === 0) throw new ConnectError('nxdomain');
      return answers.map(({ address }) => address);
    } catch (error) {
      if (error instanceof ConnectError && error.code === 'timeout')
        throw new ConnectError('dns-failure', { cause: error });
      throw resolveError(error);
    }
  }

  #refuseForbidden(address: string, port: number): void {
    const verdict = this.#guard.judge(address, port);
    if (verdict.kind === 'prohibited-address') throw new ConnectError(verdict.kind, { range: verdict.range });
    if (verdict.kind === 'port-refused') throw new ConnectError(verdict.kind);
  }

  async #reach(addresses: readonly string[], port: number, stop: AbortSignal): Promise<Socket> {
    const socket = this.#dial(addresses, port);
    try {
      await opened(socket, 'connect', stop);
    } catch (error) {
      throw dialError(error);
    }
    const peer = socket.remoteAddress;
    if (peer !== undefined && addresses.some((address) => sameAddress(address, peer))) return socket;
    socket.destroy();
    throw peer === undefined
      ? new ConnectError('refused')
      : new ConnectError('prohibited-address', { range: 'unvetted' });
  }

  async #secure(tcp: Socket, { hostname, tlsSession }: ConnectTarget, stop: AbortSignal): Promise<TLSSocket> {
    this.#secureContext ??= createSecureContext(this.#ca === undefined ? {} : { ca: this.#ca });
    const socket = tlsConnect({
      socket: tcp,
      host: hostname,
      // Server names are names (RFC 6066 3): none for a literal, and no dot at the end.
      ...(isIP(hostname) === 0 && { servername: hostname.replace(/\.$/, '') }),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      secureContext: this.#secureContext,
      session: tlsSession.session,
    });
    socket.on('session', (session) => {
      tlsSession.session = session;
    });
    try {
      await opened(socket, 'secureConnect', stop);
      return socket;
    } catch (error) {
      throw tlsError(error, Boolean(socket.authorizationError));
    }
  }
}

function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onStop = () => reject(stop.reason);
    stop.addEventListener('abort', onStop, { once: true });
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', onStop));
  });
}

function microseconds(fromMs: number, toMs: number): number {
  return Math.round((toMs - fromMs) * 1000);
}

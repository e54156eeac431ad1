// The certificate of a listener, from a pair of PEM files that may be renewed at any time, and who may have signed the
// other end's. A pair that does not fit together, or is half written, is reported and the one before it stays in use.
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Clock } from './clock.ts';
import { WatchedFile } from './watched-file.ts';

export interface TlsFilesOptions {
  readonly certPath: string;
  readonly keyPath: string;
  /** The authorities whose certificates are believed; without it, those that Node knows. */
  readonly caPath?: string | undefined;
  readonly clock: Clock;
  /** A new pair could not be used. */
  readonly onFault: (error: Error) => void;
}

/** A TLS listener: tls.Server, https.Server and http2.Http2SecureServer all are one. */
export interface TlsServer {
  setSecureContext(options: SecureContextOptions): void;
}

const minVersion = 'TLSv1.2';

export class TlsFiles {
  readonly #file: WatchedFile<SecureContextOptions>;
  readonly #servers = new Set<TlsServer>();

  constructor({ certPath, keyPath, caPath, clock, onFault }: TlsFilesOptions) {
    this.#file = new WatchedFile({
      paths: caPath === undefined ? [certPath, keyPath] : [certPath, keyPath, caPath],
      clock,
      parse: ([cert, key, ca]) => {
        const pair = checkedPair(required(certPath, cert), required(keyPath, key));
        return caPath === undefined ? pair : { ...pair, ca: checkedAuthority(required(caPath, ca)) };
      },
      onChange: (pair) => {
        for (const server of this.#servers) server.setSecureContext(pair);
      },
      onFault,
    });
  }

  /** Reads the pair, and rejects when it is no good. */
  start(): Promise<void> {
    return this.#file.start();
  }

  stop(): void {
    this.#file.stop();
    this.#servers.clear();
  }

  /** Looks at the files now. */
  poll(): Promise<void> {
    return this.#file.poll();
  }

  /** Only after start. */
  get pair(): SecureContextOptions {
    return this.#file.value;
  }

  /** Gives the server the pair, and each new one until unfollow or stop; only after start, before the server listens. */
  follow(server: TlsServer): void {
    server.setSecureContext(this.pair);
    this.#servers.add(server);
  }

  unfollow(server: TlsServer): void {
    this.#servers.delete(server);
  }
}

function required(path: string, text: string | undefined): string {
  if (text === undefined) throw new Error(`${path}: no such file`);
  return text;
}

/** OpenSSL refuses a key that is not the certificate's. */
function checkedPair(cert: string, key: string): SecureContextOptions {
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new Error('certificate and key are not a usable pair', { cause });
  }
  return { cert, key, minVersion };
}

/** OpenSSL would skip what it cannot read, and then believe nobody. */
function checkedAuthority(ca: string): string {
  try {
    new X509Certificate(ca);
  } catch (cause) {
    throw new Error('the authority is no certificate', { cause });
  }
  return ca;
}

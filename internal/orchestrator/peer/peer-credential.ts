// How pods know each other: both ends show a certificate for `resproxy-peer` that one authority signed (mTLS), or the
// listening one does and the dialling one shows a token. Files are followed, so that both can be renewed at any time; a
// link that stands is not asked again.
import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls';
import type { Clock } from '../../kit/clock.ts';
import { digestOf, digestsEqual } from '../../kit/digest.ts';
import type { Logger } from '../../kit/log.ts';
import { TlsFiles, type TlsServer } from '../../kit/tls-files.ts';
import { WatchedFile } from '../../kit/watched-file.ts';
import { peerLimits } from './peer-limits.ts';

/** `none`: the peer port stays closed and the pod is alone. */
export type PeerConfig = { readonly kind: 'none' } | PeerCredentialConfig;

export type PeerCredentialConfig = {
  readonly certPath: string;
  readonly keyPath: string;
} & (
  | { readonly kind: 'mtls'; readonly caPath: string }
  /** Without caPath, the authorities that Node knows. */
  | { readonly kind: 'token'; readonly tokenPath: string; readonly caPath: string | undefined }
);

/** The one name in the certificates of pods, whose addresses are in none. */
export const peerName = 'resproxy-peer';

interface Tokens {
  /** What this pod shows. */
  readonly own: string;
  readonly digests: readonly string[];
}

export class PeerCredential {
  readonly #files: TlsFiles;
  readonly #tokens: WatchedFile<Tokens> | undefined;

  constructor(config: PeerCredentialConfig, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    const onFault = (error: Error) => log.error({ reason: error.message }, 'a peer credential cannot be used');
    const { certPath, keyPath, caPath } = config;
    this.#files = new TlsFiles({ certPath, keyPath, caPath, clock, onFault });
    if (config.kind === 'mtls') return;
    const { tokenPath } = config;
    const parse = ([text]: readonly (string | undefined)[]) => readTokens(tokenPath, text);
    this.#tokens = new WatchedFile({ paths: [tokenPath], clock, parse, onChange: () => {}, onFault });
  }

  /** Reads the files, and rejects when they are no good. */
  async start(): Promise<void> {
    await this.#files.start();
    await this.#tokens?.start();
  }

  stop(): void {
    this.#files.stop();
    this.#tokens?.stop();
  }

  /** Looks at the files now. */
  async poll(): Promise<void> {
    await this.#files.poll();
    await this.#tokens?.poll();
  }

  // The listening end.

  /** Beside the certificate itself, which `follow` gives. */
  get serverOptions(): TlsOptions {
    return this.#tokens ? {} : { requestCert: true, rejectUnauthorized: true };
  }

  follow(server: TlsServer): void {
    this.#files.follow(server);
  }

  unfollow(server: TlsServer): void {
    this.#files.unfollow(server);
  }

  /** Whether who dialled is a pod, by its certificate or by what it wrote in `authorization`. */
  admits(socket: TLSSocket, authorization: string | undefined): boolean {
    if (this.#tokens) return hasToken(this.#tokens.value, authorization);
    const certificate = socket.getPeerX509Certificate();
    return socket.authorized && certificate !== undefined && isPeer(certificate);
  }

  // The dialling end.

  /** The other end must be a pod, or the handshake fails. */
  get clientOptions(): ConnectionOptions {
    return {
      ...this.#ownCertificate,
      servername: peerName,
      rejectUnauthorized: true,
      checkServerIdentity: (_name, { raw }) =>
        isPeer(new X509Certificate(raw)) ? undefined : new Error(`its certificate is not for ${peerName}`),
    };
  }

  /** Only for a pod whose certificate was checked. */
  get authorization(): string | undefined {
    return this.#tokens && `Bearer ${this.#tokens.value.own}`;
  }

  get #ownCertificate(): SecureContextOptions {
    const { cert: _cert, key: _key, ...anonymous } = this.#files.pair;
    return this.#tokens ? anonymous : this.#files.pair;
  }
}

function isPeer(certificate: X509Certificate): boolean {
  const exactly = { subject: 'never', wildcards: false, partialWildcards: false } as const;
  return certificate.checkHost(peerName, exactly) === peerName;
}

/** Compares with every token, whichever is right. */
function hasToken({ digests }: Tokens, authorization = ''): boolean {
  const shown = digestOf(/^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '');
  return digests.filter((digest) => digestsEqual(digest, shown)).length > 0;
}

/** One token a line; the first is shown, all of them open. */
function readTokens(path: string, text: string | undefined): Tokens {
  const { minTokenChars, maxTokenChars, maxTokens } = peerLimits;
  const tokens = (text ?? '').split('\n').map((line) => line.trim());
  const lines = tokens.filter((token) => token !== '');
  const [own] = lines;
  if (own === undefined) throw new Error(`${path}: no token in it`);
  if (lines.length > maxTokens) throw new Error(`${path}: more than ${maxTokens} tokens`);
  const isUsable = (token: string) =>
    /^[\x21-\x7e]+$/.test(token) && token.length >= minTokenChars && token.length <= maxTokenChars;
  if (!lines.every(isUsable)) {
    throw new Error(`${path}: a token must be ${minTokenChars} to ${maxTokenChars} printable characters`);
  }
  return { own, digests: lines.map(digestOf) };
}

// Links for tests of dispatch: what each attempt meets is written down beforehand, and what was sent is kept.
import type { CancelReason, Exchange, ExchangeHead, ExchangeRequest, Link, LinkDirectory } from '../channel/link.ts';

/** A piece of a body that never comes. */
export const stall = Symbol('stall');

/** An Error breaks the answer off. */
type Piece<B> = B | Error | typeof stall;

/** What an attempt meets. */
export type Fate =
  | {
      readonly kind: 'answer';
      readonly head: ExchangeHead;
      readonly pieces: readonly Piece<Uint8Array>[];
    }
  | { readonly kind: 'failure'; readonly error: unknown }
  | { readonly kind: 'refusal'; readonly error: unknown }
  | { readonly kind: 'silence' }
  | { readonly kind: 'no-link' };

export const silence: Fate = { kind: 'silence' };
export const noLink: Fate = { kind: 'no-link' };

export function fails(error: unknown): Fate {
  return { kind: 'failure', error };
}

/** Thrown by the link itself, before anything is sent. */
export function refuses(error: unknown): Fate {
  return { kind: 'refusal', error };
}

export function answers(body: string, ...pieces: Piece<string>[]): Fate {
  const head: ExchangeHead = {
    statusCode: 200,
    headers: [{ name: 'content-type', value: 'text/plain' }],
    finalUrl: 'http://origin.test/',
    timings: { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4 },
    body: Buffer.from(body),
    end: pieces.length === 0,
    exitId: '',
  };
  const bytes = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));
  return { kind: 'answer', head, pieces: bytes };
}

const never = new Promise<never>(() => {});

class FakeExchange implements Exchange {
  readonly head: Promise<ExchangeHead>;
  readonly cancels: CancelReason[] = [];
  reads = 0;
  #pieces: Piece<Uint8Array>[] = [];

  constructor(fate: Fate) {
    this.head = headOf(fate);
    if (fate.kind === 'answer') this.#pieces = [...fate.pieces];
  }

  read(): Promise<Uint8Array | undefined> {
    this.reads++;
    const piece = this.#pieces.shift();
    if (piece === stall) return never;
    return piece instanceof Error ? Promise.reject(piece) : Promise.resolve(piece);
  }

  /** Like a link of its own kind, it never says more after it was cancelled. */
  cancel(reason: CancelReason): void {
    this.cancels.push(reason);
  }
}

function headOf(fate: Fate): Promise<ExchangeHead> {
  if (fate.kind === 'answer') return Promise.resolve(fate.head);
  if (fate.kind === 'failure') return Promise.reject(fate.error);
  return never;
}

/** Meets every attempt with the next fate; the last one repeats. */
export class FakeLinks implements LinkDirectory, Link {
  readonly sent: ExchangeRequest[] = [];
  readonly exchanges: FakeExchange[] = [];
  readonly #fates: Fate[];

  constructor(...fates: Fate[]) {
    this.#fates = fates;
  }

  linkTo(): Link | undefined {
    if (this.#fates[0]?.kind !== 'no-link') return this;
    this.#take();
    return undefined;
  }

  open(request: ExchangeRequest): Exchange {
    const fate = this.#take();
    if (fate.kind === 'refusal') throw fate.error;
    const exchange = new FakeExchange(fate);
    this.sent.push(request);
    this.exchanges.push(exchange);
    return exchange;
  }

  /** Why each exchange was cancelled; undefined for one that was not. */
  get cancels(): (CancelReason | undefined)[] {
    return this.exchanges.map(({ cancels }) => cancels[0]);
  }

  #take(): Fate {
    return (this.#fates.length > 1 ? this.#fates.shift() : this.#fates[0]) ?? silence;
  }
}

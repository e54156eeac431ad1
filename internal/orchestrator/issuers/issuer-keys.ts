// The keys of one issuer, asked for in the background. A caller never waits for that, but when there are no keys yet or
// a token names one that is not known: then it waits for the one request that all wait for, and such requests have a
// cooldown, so that nobody can make this pod ask by sending tokens. While the issuer is away its last keys stay, for a
// day.
import { createLocalJWKSet } from 'jose';
import { fullJitterMs, narrowJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { IssuerDocuments } from './documents.ts';
import { issuerLimits } from './issuer-limits.ts';

export type KeyFinder = ReturnType<typeof createLocalJWKSet>;

export interface IssuerKeysOptions {
  readonly name: string;
  readonly documents: IssuerDocuments;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onFetch: (outcome: 'ok' | 'failed') => void;
  /** What was checked by the keys before may not be good any more. */
  readonly onChange: () => void;
}

export interface HeldKeys {
  /** The name that tokens bear. */
  readonly issuer: string;
  readonly find: KeyFinder;
}

interface Read extends HeldKeys {
  /** What was published, to see whether it changed. */
  readonly text: string;
  readonly at: number;
}

export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #read: Read | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #waiting = 0;
  /** Requests in a row that brought nothing. */
  #failures = 0;
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Undefined: there are none, or only such as are too old. */
  get held(): HeldKeys | undefined {
    return this.ageMs <= issuerLimits.keepMs ? this.#read : undefined;
  }

  /** Since the issuer last said which they are; Infinity when it never did. */
  get ageMs(): number {
    return this.#read ? this.#options.clock.now() - this.#read.at : Number.POSITIVE_INFINITY;
  }

  /** The issuer did not answer when it was asked last. */
  get isAway(): boolean {
    return this.#failures > 0;
  }

  /** Waits for the request that is under way. False: there is none, or too many wait for it. */
  async settled(): Promise<boolean> {
    if (!this.#asking || this.#waiting >= issuerLimits.maxWaitingForKeys) return false;
    this.#waiting++;
    await this.#asking;
    this.#waiting--;
    return true;
  }

  /** For a token of a key that is not known. False: nobody was asked, because somebody was a moment ago. */
  askAgain(): Promise<boolean> {
    if (this.#options.clock.now() - this.#askedAt >= issuerLimits.cooldownMs) void this.#ask();
    return this.settled();
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = undefined;
      this.#askLater();
    });
    return this.#asking;
  }

  /** Never rejects. */
  async #fetch(): Promise<void> {
    const { name, documents, log, onFetch } = this.#options;
    this.#cancel?.();
    this.#askedAt = this.#options.clock.now();
    try {
      const { issuer, keys } = await documents.read();
      if (this.#stopped) return;
      this.#take(issuer, keys);
      if (this.#failures > 0) log.info({ provider: name }, 'the issuer of tokens answers again');
      this.#failures = 0;
      onFetch('ok');
    } catch (error) {
      if (this.#stopped) return;
      const fault = error instanceof Error ? error.message : String(error);
      const held = this.held !== undefined;
      log.warn({ provider: name, fault, held }, 'the keys of an issuer of tokens cannot be read');
      this.#failures++;
      onFetch('failed');
    }
  }

  /** Throws when it is no set of keys. */
  #take(issuer: string, keys: unknown): void {
    const { clock, log, name, onChange } = this.#options;
    const text = JSON.stringify([issuer, keys]);
    const at = clock.now();
    if (this.#read?.text === text) {
      this.#read = { ...this.#read, at };
      return;
    }
    // Checks what it is given.
    const find = createLocalJWKSet(keys as Parameters<typeof createLocalJWKSet>[0]);
    const isChange = this.#read !== undefined;
    this.#read = { issuer, find, text, at };
    log.info({ provider: name, issuer, keys: find.jwks().keys.length }, 'keys of an issuer of tokens read');
    if (isChange) onChange();
  }

  #askLater(): void {
    if (this.#stopped) return;
    const { clock, random } = this.#options;
    const { refreshMs, firstRetryMs, maxRetryMs } = issuerLimits;
    const ms =
      this.#failures > 0
        ? fullJitterMs(this.#failures, firstRetryMs, maxRetryMs, random)
        : narrowJitterMs(0, refreshMs, refreshMs, random);
    this.#cancel = clock.after(ms, () => void this.#ask());
  }
}

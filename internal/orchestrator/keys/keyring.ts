// Which keys open a connection now, and which stopped doing so. Whoever holds connections hears of it at once, whether
// a key was removed, replaced or suspended, or its time came.
import { isDeepStrictEqual } from 'node:util';
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { digestOf, digestsEqual, noDigest } from '../../kit/digest.ts';
import { maxKeyLength, parseKey } from './key-format.ts';
import type { KeySource } from './key-source.ts';
import type { KeyPolicy } from './policy.ts';

export type Authentication =
  | { readonly ok: true; readonly policy: KeyPolicy }
  /** 'suspended' and 'expired' are told only to whoever holds the whole key. */
  | { readonly ok: false; readonly why: 'unknown' | 'suspended' | 'expired' };

export type Revocation = 'removed' | 'replaced' | 'suspended' | 'expired';

export interface KeyListener {
  /** The key no longer opens anything: its connections must end now. */
  onRevoked(keyId: string, why: Revocation): void;
  /** The key allows something else than before. */
  onChanged(policy: KeyPolicy): void;
}

export interface KeyringOptions {
  readonly source: KeySource;
  readonly clock: Clock;
}

/** The wall clock may be set while the timer waits, so it is asked at least this often. */
const maxTimerMs = 60_000;

export class Keyring {
  readonly #source: KeySource;
  readonly #clock: Clock;
  readonly #listeners: KeyListener[] = [];
  /** The keys that are valid, as the listeners know them. */
  #valid: ReadonlyMap<string, KeyPolicy> = new Map();
  #cancelTimer: CancelTimer | undefined;
  #stopped = false;

  constructor({ source, clock }: KeyringOptions) {
    this.#source = source;
    this.#clock = clock;
    source.onChange(() => this.#refresh());
  }

  async start(): Promise<void> {
    await this.#source.start();
    this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#source.stop();
    this.#cancelTimer?.();
  }

  listen(listener: KeyListener): void {
    this.#listeners.push(listener);
  }

  /** Does the same work whether or not there is such a key. */
  authenticate(presented: string): Authentication {
    const digest = digestOf(presented.slice(0, maxKeyLength + 1));
    const policy = this.#source.keys.get(parseKey(presented)?.keyId ?? '');
    const matches = digestsEqual(digest, policy?.digest ?? noDigest);
    if (!policy || !matches) return { ok: false, why: 'unknown' };
    const why = this.#whyInvalid(policy);
    return why === undefined ? { ok: true, policy } : { ok: false, why };
  }

  #whyInvalid(policy: KeyPolicy): 'suspended' | 'expired' | undefined {
    if (policy.suspended) return 'suspended';
    return policy.notAfter !== undefined && policy.notAfter <= this.#clock.wallMs() ? 'expired' : undefined;
  }

  /** Compares what is valid now with what was, tells the difference, and waits for the next key to expire. */
  #refresh(): void {
    const before = this.#valid;
    const { keys } = this.#source;
    const valid = new Map([...keys].filter(([, policy]) => this.#whyInvalid(policy) === undefined));
    this.#valid = valid;
    for (const [keyId, old] of before) this.#compare(old, valid.get(keyId), keys.get(keyId));
    this.#waitForExpiry();
  }

  #compare(old: KeyPolicy, valid: KeyPolicy | undefined, known: KeyPolicy | undefined): void {
    if (valid && valid.digest === old.digest) {
      if (!isDeepStrictEqual(valid, old)) for (const listener of this.#listeners) listener.onChanged(valid);
      return;
    }
    const why = valid ? 'replaced' : known ? this.#whyInvalid(known) : 'removed';
    for (const listener of this.#listeners) listener.onRevoked(old.id, why ?? 'removed');
  }

  #waitForExpiry(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const { notAfter = next } of this.#valid.values()) next = Math.min(next, notAfter);
    if (this.#stopped || next === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(maxTimerMs, Math.max(1, next - this.#clock.wallMs()));
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#refresh());
  }
}

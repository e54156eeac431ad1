// Callers that show a token of an issuer. A token that was checked is remembered by its digest for a few minutes, so that
// a job costs no signature; so is one that was refused, for a moment, because whoever holds a stale token sends it again
// and again. What is remembered goes when the callers file or the keys of an issuer change.
import type { Clock } from '../../../kit/clock.ts';
import { LruMap } from '../../../kit/lru.ts';
import { JobFailure } from '../../failure/failures.ts';
import type { Verdict } from '../../issuers/issuers.ts';
import type { Refusal } from '../../issuers/verify-token.ts';
import type { Door } from '../call.ts';
import { type Caller, type CallerLoad, freshLoad } from './caller.ts';
import type { Granted } from './grants.ts';
import { grant, type Provider } from './providers.ts';

export interface TokenObserver {
  /** `provider` is empty for a token of nobody that is known. */
  looked(provider: string, result: TokenResult): void;
  /** Its token is good, and it gets nothing. */
  ungranted(provider: string, subject: string): void;
}

export type TokenResult = Refusal | 'good' | 'ungranted' | 'unavailable';

export interface TokenCallersOptions {
  readonly verify: (token: string, door: Door) => Promise<Verdict>;
  readonly clock: Clock;
  /** Hears of each token that was looked at. */
  readonly observer: TokenObserver;
}

/** What was found out of a token. */
type Found =
  | { readonly kind: 'caller'; readonly caller: Caller & { readonly goodUntilMs: number } }
  /** `lasts`: the same token is no better a moment later. */
  | { readonly kind: 'refused'; readonly refuse: () => JobFailure; readonly lasts: boolean };
type Known = Found & { readonly until: number };

/** Good tokens; a caller has one or two at a time. */
const maxKnown = 20_000;
const knownMs = 5 * 60_000;
const maxRefused = 2_000;
const refusedMs = 10_000;
/** Callers whose use of their limits is remembered; the least recently seen one starts afresh. */
const maxLoads = 20_000;
/** New tokens that are being looked at, by door. */
const maxPending = 1_000;

export class TokenCallers {
  readonly #options: TokenCallersOptions;
  readonly #loads = new LruMap<string, CallerLoad>(maxLoads);
  #known = new LruMap<string, Known>(maxKnown);
  /** Apart, so that no crowd of bad tokens makes good ones forgotten. */
  #refused = new LruMap<string, Known>(maxRefused);
  readonly #asking = new Map<string, Promise<Caller>>();
  readonly #pending = new Map<Door, number>();
  #providers: ReadonlyMap<string, Provider> = new Map();

  constructor(options: TokenCallersOptions) {
    this.#options = options;
  }

  replace(providers: readonly Provider[]): void {
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.forget();
  }

  /** Tokens are looked at anew; what callers use of their limits stays. */
  forget(): void {
    this.#known = new LruMap(maxKnown);
    this.#refused = new LruMap(maxRefused);
    this.#asking.clear();
  }

  get hasProviders(): boolean {
    return this.#providers.size > 0;
  }

  /** Undefined: the token has to be looked at. Throws a JobFailure for one that was, and was no good. */
  known(digest: string): Caller | undefined {
    const known = this.#known.get(digest) ?? this.#refused.get(digest);
    if (known === undefined || known.until <= this.#options.clock.now()) return undefined;
    if (known.kind === 'refused') throw known.refuse();
    return known.caller;
  }

  /** Rejects with a JobFailure. A token that comes many times at once is looked at once. */
  ask(token: string, digest: string, door: Door): Promise<Caller> {
    const asking = this.#asking.get(digest);
    if (asking) return asking;
    const pending = this.#pending.get(door) ?? 0;
    if (pending >= maxPending) return Promise.reject(new JobFailure('OVERLOADED', { detail: tooManyTokens }));
    this.#pending.set(door, pending + 1);
    const known = this.#known;
    const asked = this.#look(token, digest, door).finally(() => {
      this.#pending.set(door, (this.#pending.get(door) ?? 0) - 1);
      // What was forgotten meanwhile is another's by now.
      if (this.#known === known) this.#asking.delete(digest);
    });
    this.#asking.set(digest, asked);
    return asked;
  }

  async #look(token: string, digest: string, door: Door): Promise<Caller> {
    // Into the memory of before, which is gone if anything changed meanwhile.
    const known = this.#known;
    const refused = this.#refused;
    const found = this.#judge(await this.#options.verify(token, door));
    const now = this.#options.clock.now();
    if (found.kind === 'caller') {
      const leftMs = found.caller.goodUntilMs - this.#options.clock.wallMs();
      known.set(digest, { ...found, until: now + Math.min(knownMs, leftMs) });
      return found.caller;
    }
    if (found.lasts) refused.set(digest, { ...found, until: now + refusedMs });
    throw found.refuse();
  }

  #judge(verdict: Verdict): Found {
    const { observer } = this.#options;
    const { provider: name } = verdict;
    if (verdict.kind !== 'good') {
      observer.looked(name, verdict.kind === 'refused' ? verdict.why : verdict.kind);
      return verdict.kind === 'refused' ? notGood(verdict) : notKnown(verdict);
    }
    const granted = this.#grant(verdict);
    observer.looked(name, granted.kind === 'granted' ? 'good' : 'ungranted');
    if (granted.kind === 'nothing') {
      observer.ungranted(name, verdict.subject);
      return { kind: 'refused', refuse: () => ungranted(granted.missing), lasts: true };
    }
    const { tenant, scopes, limits } = granted;
    // No name of the callers file has a slash in it.
    const fullName = `${name}/${verdict.subject}`;
    const { goodUntilMs } = verdict;
    return {
      kind: 'caller',
      caller: { name: fullName, tenant, scopes, limits, goodUntilMs, load: this.#loadOf(fullName) },
    };
  }

  #grant({ provider: name, subject, claims }: Extract<Verdict, { kind: 'good' }>): Granted {
    const provider = this.#providers.get(name);
    if (!provider) return { kind: 'nothing', missing: `Provider "${name}" is not trusted any more.` };
    return grant(provider, { provider: name, subject, claims });
  }

  #loadOf(name: string): CallerLoad {
    const load = this.#loads.get(name) ?? freshLoad();
    this.#loads.set(name, load);
    return load;
  }
}

const tooManyTokens = 'Too many tokens that were not seen before come at once.';

export function invalidToken(detail: string): JobFailure {
  return new JobFailure('UNAUTHENTICATED', { detail, tokenError: 'invalid_token' });
}

function ungranted(detail: string): JobFailure {
  return new JobFailure('SCOPE_DENIED', { detail, tokenError: 'insufficient_scope' });
}

function notGood({ why, detail }: Extract<Verdict, { kind: 'refused' }>): Found {
  const mayPass = why === 'unknown_key' || why === 'not_yet_valid';
  return { kind: 'refused', refuse: () => invalidToken(detail), lasts: !mayPass };
}

function notKnown({ detail }: Extract<Verdict, { kind: 'unavailable' }>): Found {
  return { kind: 'refused', refuse: () => new JobFailure('ISSUER_UNAVAILABLE', { detail }), lasts: false };
}

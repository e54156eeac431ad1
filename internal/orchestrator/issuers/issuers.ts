// The issuers that the callers file trusts, and the one question that is asked of them: whose token is this? Issuers
// come and go with the file; one that publishes its keys where it did keeps those that are known.
import { decodeJwt } from 'jose';
import type { Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { IssuerDocuments } from './documents.ts';
import type { IssuerConfig } from './issuer-config.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { issuerLimits } from './issuer-limits.ts';
import { Turnstile } from './turnstile.ts';
import { type Check, type Refusal, verifyToken } from './verify-token.ts';

export interface IssuersOptions {
  readonly documentsOf: (config: IssuerConfig) => IssuerDocuments;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onFetch: (provider: string, outcome: 'ok' | 'failed') => void;
  /** Some issuer has other keys than before. */
  readonly onKeysChanged: () => void;
}

/** `provider` is empty for a token of nobody that is known. */
export type Verdict = { readonly provider: string } & (
  | Check
  /** Nobody can say now; later somebody may. */
  | { readonly kind: 'unavailable'; readonly detail: string }
);

interface Issuer {
  readonly config: IssuerConfig;
  readonly keys: IssuerKeys;
}

export class Issuers {
  readonly #options: IssuersOptions;
  readonly #turnstiles = new Map<string, Turnstile>();
  #issuers: readonly Issuer[] = [];

  constructor(options: IssuersOptions) {
    this.#options = options;
  }

  /** From now on these, and their keys are asked for. */
  replace(configs: readonly IssuerConfig[]): void {
    const before = new Map(this.#issuers.map(({ config, keys }) => [sourceOf(config), keys]));
    this.#issuers = configs.map((config) => {
      const source = sourceOf(config);
      const known = before.get(source);
      before.delete(source);
      return { config, keys: known ?? this.#read(config) };
    });
    for (const keys of before.values()) keys.stop();
  }

  stop(): void {
    this.replace([]);
  }

  /** By provider: since its keys were last read, in milliseconds; Infinity when they never were. */
  *ages(): Generator<[provider: string, ageMs: number], void, undefined> {
    for (const { config, keys } of this.#issuers) yield [config.name, keys.ageMs];
  }

  /** Never rejects. What `door` asks does not wait for what other doors ask. */
  async verify(token: string, door: string): Promise<Verdict> {
    const found = await this.#issuerOf(token);
    return 'kind' in found ? found : this.#verify(token, found, door);
  }

  /** By what the token says of itself; nothing of it is believed yet. */
  async #issuerOf(token: string): Promise<Issuer | Verdict> {
    const name = issuerIn(token);
    if (name === undefined) return refusedByAll('malformed', 'The token is not a JSON Web Token.');
    const known = this.#find(name);
    if (known) return known;
    // An issuer whose name is to be discovered may turn out to be this one.
    const nameless = this.#issuers.filter((issuer) => nameOf(issuer) === undefined);
    await Promise.all(nameless.map(({ keys }) => keys.settled()));
    const discovered = this.#find(name);
    if (discovered) return discovered;
    const [away] = nameless.filter((issuer) => nameOf(issuer) === undefined);
    return away ? unavailable(away) : refusedByAll('issuer', 'The token is of an issuer that is not trusted here.');
  }

  #find(name: string): Issuer | undefined {
    return this.#issuers.find((issuer) => nameOf(issuer) === name);
  }

  async #verify(token: string, issuer: Issuer, door: string): Promise<Verdict> {
    const { keys } = issuer;
    if (!keys.held) await keys.settled();
    const first = await this.#check(token, issuer, door);
    if (first.kind !== 'refused' || first.why !== 'unknown_key') return first;
    const again = (await keys.askAgain()) ? await this.#check(token, issuer, door) : first;
    const isUnknown = again.kind === 'refused' && again.why === 'unknown_key';
    // Its key may be newer than what could be read.
    return isUnknown && keys.isAway ? unavailable(issuer) : again;
  }

  async #check(token: string, issuer: Issuer, door: string): Promise<Verdict> {
    const { config, keys } = issuer;
    const { held } = keys;
    if (!held) return unavailable(issuer);
    const check = await this.#turnstile(door).pass(() =>
      verifyToken(token, held, config, this.#options.clock.wallMs()),
    );
    return { ...check, provider: config.name };
  }

  #turnstile(door: string): Turnstile {
    const known = this.#turnstiles.get(door) ?? new Turnstile(issuerLimits.maxChecks);
    this.#turnstiles.set(door, known);
    return known;
  }

  #read(config: IssuerConfig): IssuerKeys {
    const { documentsOf, onFetch: told, onKeysChanged: onChange, clock, random, log } = this.#options;
    const { name } = config;
    const onFetch = (outcome: 'ok' | 'failed') => told(name, outcome);
    const keys = new IssuerKeys({ name, documents: documentsOf(config), clock, random, log, onFetch, onChange });
    keys.start();
    return keys;
  }
}

/** Where the keys come from, and what metrics call them. */
function sourceOf(config: IssuerConfig): string {
  const { name, type, issuer } = config;
  const { jwksUri, caFile, tokenFile } = config.type === 'jwks' ? config : {};
  return JSON.stringify([name, type, issuer, jwksUri, caFile, tokenFile]);
}

function nameOf({ config, keys }: Issuer): string | undefined {
  return config.issuer ?? keys.held?.issuer;
}

function issuerIn(token: string): string | undefined {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

function refusedByAll(why: Refusal, detail: string): Verdict {
  return { kind: 'refused', provider: '', why, detail };
}

function unavailable({ config }: Issuer): Verdict {
  const detail = `The keys of provider "${config.name}" cannot be read now, so its tokens cannot be checked.`;
  return { kind: 'unavailable', provider: config.name, detail };
}

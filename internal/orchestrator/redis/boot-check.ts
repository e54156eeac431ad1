// Looks at the settings of Redis when it first answers and whenever it answers again. Settings that would lose the
// fleet's state keep a pod from becoming ready until they are put right; once a pod was ready they are only reported,
// since a change at Redis must not take every pod out of service.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisError } from './redis-error.ts';
import { redisLimits } from './redis-limits.ts';
import type { RedisUrl } from './redis-url.ts';
import { readServerFacts } from './server-facts.ts';
import { type Finding, findingsOf } from './server-findings.ts';

export interface BootCheckOptions {
  readonly kind: RedisUrl['kind'];
  readonly client: Pick<RedisClient, 'status' | 'onStatus' | 'askEach'>;
  readonly clock: Clock;
  readonly log: Logger;
}

type State =
  /** Redis did not answer yet. */
  | { readonly type: 'unseen' }
  | { readonly type: 'refused' }
  | { readonly type: 'passed' }
  | { readonly type: 'closed' };

export class BootCheck {
  readonly #options: BootCheckOptions;
  #state: State = { type: 'unseen' };
  /** What the log said last, so that it says it once. */
  #said = '';
  #stopListening: (() => void) | undefined;
  #cancelRecheck: CancelTimer | undefined;

  constructor(options: BootCheckOptions) {
    this.#options = options;
  }

  start(): void {
    const { client } = this.#options;
    this.#stopListening = client.onStatus((status) => {
      if (status === 'up') this.#inspect();
    });
    if (client.status === 'up') this.#inspect();
  }

  /** A check of readiness: what must be put right at Redis before this pod may start work. */
  readonly check = (): string | undefined =>
    this.#state.type === 'refused' ? 'the settings of Redis would lose data; the log says what to set' : undefined;

  close(): void {
    this.#state = { type: 'closed' };
    this.#stopListening?.();
    this.#cancelRecheck?.();
  }

  #inspect(): void {
    this.#cancelRecheck?.();
    this.#look().then(
      (findings) => this.#judge(findings),
      (error: unknown) => this.#unread(error),
    );
  }

  #judge(findings: readonly Finding[]): void {
    if (this.#state.type === 'closed') return;
    this.#say(findings);
    const fatal = findings.some(({ level }) => level === 'fatal');
    if (fatal) this.#lookAgain();
    if (this.#state.type !== 'passed') this.#state = { type: fatal ? 'refused' : 'passed' };
  }

  /** An ACL without INFO is for its owner to judge; an answer that was lost is asked for again. */
  #unread(error: unknown): void {
    const refused = error instanceof RedisError && error.code === 'REFUSED';
    if (refused) this.#judge([{ level: 'warning', text: `they cannot be read: ${error.message}` }]);
    else if (this.#state.type !== 'closed') this.#lookAgain();
  }

  #lookAgain(): void {
    this.#cancelRecheck = this.#options.clock.after(redisLimits.recheckMs, () => this.#recheck());
  }

  #recheck(): void {
    if (this.#options.client.status === 'up') this.#inspect();
  }

  #say(findings: readonly Finding[]): void {
    const said = findings.map(({ text }) => text).join('\n');
    if (said === this.#said) return;
    this.#said = said;
    const { log } = this.#options;
    for (const { level, text } of findings)
      log[level === 'fatal' ? 'error' : 'warn']({ fault: text }, 'settings of Redis');
    if (findings.length === 0) log.info('the settings of Redis are in order again');
  }

  async #look(): Promise<readonly Finding[]> {
    const { client, kind } = this.#options;
    const servers = await readServerFacts(client, kind);
    return servers.flatMap((facts) => findingsOf(kind, facts));
  }
}

// How many agents are connected with each key, for the operator, which writes it into status.agents: orchestrators have
// no right to write there themselves (docs/adr/0027). Numbers only, and only for whoever has the token.
import { readFile } from 'node:fs/promises';
import { digestOf, digestsEqual } from '../../kit/digest.ts';

export interface AgentCountsOptions {
  /** File with the token; read for each question, since it may be replaced. */
  readonly tokenPath: string;
  /** How many agents each key has in the whole fleet, by the name of the key. */
  readonly agents: () => ReadonlyMap<string, number>;
}

const bearer = /^Bearer ([\x21-\x7e]{16,512})$/;

export class AgentCounts {
  readonly #options: AgentCountsOptions;

  constructor(options: AgentCountsOptions) {
    this.#options = options;
  }

  async isAllowed(authorization: string | undefined): Promise<boolean> {
    const presented = bearer.exec(authorization ?? '')?.[1];
    if (presented === undefined) return false;
    const token = (await readFile(this.#options.tokenPath, 'utf8')).trim();
    return token !== '' && digestsEqual(digestOf(presented), digestOf(token));
  }

  /** `{"agents": {KEY NAME: COUNT}}`. */
  report(): string {
    return JSON.stringify({ agents: Object.fromEntries(this.#options.agents()) });
  }
}

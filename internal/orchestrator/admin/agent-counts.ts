// How many agents are connected with each key, for the operator, which writes it into status.agents: orchestrators have
// no right to write there themselves (docs/adr/0027). Numbers only, and only for whoever has the token.
import { readFile } from 'node:fs/promises';
import { digestOf, digestsEqual } from '../../kit/digest.ts';

export interface AgentCountsOptions {
  /** File with the token; read for each question, since it may be replaced. */
  readonly tokenPath: string;
  /** Of every connection of the whole fleet. */
  readonly agentIds: () => Iterable<string>;
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

  /** `{"agents": {KEY NAME: COUNT}}`; an agent that has two connections for a moment counts once. */
  report(): string {
    const counts = new Map<string, number>();
    for (const id of new Set(this.#options.agentIds())) {
      const name = id.slice(0, id.lastIndexOf('/'));
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return JSON.stringify({ agents: Object.fromEntries(counts) });
  }
}

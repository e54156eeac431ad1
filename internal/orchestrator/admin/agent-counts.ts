// How many agents are connected with each key, for the operator, which writes it into status.agents: orchestrators have
// no right to write there themselves (docs/adr/0027). Numbers only, and only for whoever has the token.
import { readFile } from 'node:fs/promises';
import type { Answer, Page } from '../../kit/admin-server.ts';
import { digestOf, digestsEqual } from '../../kit/digest.ts';

export interface AgentCountsOptions {
  /** File with the token, read for each question, since it may be replaced; undefined: nobody may ask. */
  readonly tokenPath: string | undefined;
  /** How many agents each key has in the whole fleet, by the name of the key. */
  readonly agents: () => ReadonlyMap<string, number>;
}

const bearer = /^Bearer ([\x21-\x7e]{16,512})$/;

export class AgentCounts {
  readonly #options: AgentCountsOptions;

  constructor(options: AgentCountsOptions) {
    this.#options = options;
  }

  /** `{"agents": {KEY NAME: COUNT}}`. */
  readonly page: Page = async ({ authorization = '' }) => {
    const { tokenPath, agents } = this.#options;
    if (tokenPath === undefined) return refusal(404, 'not told: RESPROXY_REPORT_TOKEN_FILE is not set');
    if (!(await isRight(authorization, tokenPath))) return refusal(401, 'the token is not the right one');
    const body = JSON.stringify({ agents: Object.fromEntries(agents()) });
    return { status: 200, type: 'application/json', body };
  };
}

/** Never, while the file cannot be read or is empty. */
async function isRight(authorization: string, tokenPath: string): Promise<boolean> {
  const presented = bearer.exec(authorization)?.[1];
  if (presented === undefined) return false;
  const token = await readFile(tokenPath, 'utf8').catch(() => '');
  return token.trim() !== '' && digestsEqual(digestOf(presented), digestOf(token.trim()));
}

function refusal(status: number, why: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${why}\n` };
}

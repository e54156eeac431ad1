// How many agents are connected with each key, as the orchestrators report it: the operator asks, since orchestrators
// have no right to write anything (docs/adr/0027). No answer means that nothing is known, not that nobody is connected.
import { readFile } from 'node:fs/promises';
import { request } from 'undici';
import * as z from 'zod';
import type { CancelTimer, Clock } from '../kit/clock.ts';

export interface AgentReportOptions {
  readonly url: string;
  /** Read for each request: it may be replaced. */
  readonly tokenPath: string;
  readonly clock: Clock;
  /** The report is new. */
  readonly onReport: () => void;
  readonly onFault: (error: unknown) => void;
}

const everyMs = 30_000;
const timeoutMs = 10_000;
const maxBytes = 16 * 1024 * 1024;
const schema = z.object({ agents: z.record(z.string(), z.int().min(0)) });

export class AgentReport {
  readonly #options: AgentReportOptions;
  #counts: ReadonlyMap<string, number> | undefined;
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(options: AgentReportOptions) {
    this.#options = options;
  }

  start(): void {
    void this.poll().finally(() => {
      if (!this.#stopped) this.#cancel = this.#options.clock.after(everyMs, () => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** Undefined when the last question had no answer. */
  count(name: string): number | undefined {
    return this.#counts && (this.#counts.get(name) ?? 0);
  }

  async poll(): Promise<void> {
    try {
      this.#counts = await this.#ask();
    } catch (error) {
      this.#counts = undefined;
      this.#options.onFault(error);
      return;
    }
    this.#options.onReport();
  }

  async #ask(): Promise<ReadonlyMap<string, number>> {
    const { url, tokenPath } = this.#options;
    const token = (await readFile(tokenPath, 'utf8')).trim();
    const headers = { authorization: `Bearer ${token}` };
    const answer = await request(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    const text = await readAtMost(answer.body, maxBytes);
    if (answer.statusCode !== 200) throw new Error(`the orchestrator answered ${answer.statusCode}`);
    return new Map(Object.entries(schema.parse(JSON.parse(text)).agents));
  }
}

async function readAtMost(body: AsyncIterable<Uint8Array>, bound: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bound) throw new Error(`the report has more than ${bound} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

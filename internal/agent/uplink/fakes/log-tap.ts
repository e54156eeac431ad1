// For tests: the agent's log, line by line. A test waits for a line instead of for time.
import { pino } from 'pino';
import type { Logger } from '../../../kit/log.ts';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export class LogTap {
  readonly lines: LogLine[] = [];
  readonly logger: Logger;
  readonly #waiters = new Set<(line: LogLine) => void>();
  #seen = 0;

  constructor() {
    this.logger = pino({ base: null }, { write: (text: string) => this.#onLine(text) });
  }

  /** The next line that contains `text`, among those that no earlier call has passed. */
  line(text: string): Promise<LogLine> {
    for (let at = this.#seen; at < this.lines.length; at++) {
      const line = this.lines[at];
      if (!line?.msg.includes(text)) continue;
      this.#seen = at + 1;
      return Promise.resolve(line);
    }
    return new Promise((resolve) => {
      const waiter = (line: LogLine) => {
        if (!line.msg.includes(text)) return;
        this.#waiters.delete(waiter);
        this.#seen = this.lines.length;
        resolve(line);
      };
      this.#waiters.add(waiter);
    });
  }

  /** Everything that was written. */
  get text(): string {
    return JSON.stringify(this.lines);
  }

  #onLine(text: string): void {
    const line = JSON.parse(text) as LogLine;
    this.lines.push(line);
    for (const waiter of [...this.#waiters]) waiter(line);
  }
}

// Very many slow connections to one port, and honest callers beside them.
import { setTimeout as pause } from 'node:timers/promises';
import { SlowConnection, type SlowHabit } from './slow-connection.ts';
import type { Closable } from './story.ts';
import { within } from './waiting.ts';

export interface CrowdOptions {
  readonly port: number;
  readonly size: number;
  /** Dealt out in turn. */
  readonly habits: readonly SlowHabit[];
  /** Between a hundred and the next. */
  readonly pauseMs?: number;
  /** Whoever is cut comes back at once. */
  readonly comesBack?: boolean;
}

const openedAtOnce = 100;
const allEndWithinMs = 30_000;

export class SlowCrowd implements Closable {
  readonly #options: CrowdOptions;
  readonly #connections = new Set<SlowConnection>();
  readonly #ends: { readonly habit: string; readonly ms: number | undefined }[] = [];
  #closed = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  async gather(): Promise<void> {
    const { size, habits, pauseMs = 25 } = this.#options;
    for (let i = 0; i < size; i++) {
      const habit = habits[i % habits.length];
      if (habit) this.#open(habit);
      if (i % openedAtOnce === 0) await pause(pauseMs);
    }
  }

  /** For a crowd that does not come back: what was let live for longer than that, or could not even connect. */
  async faults(cutWithinMs: number): Promise<readonly string[]> {
    await within('every slow connection ends', allEndWithinMs, Promise.all([...this.#connections].map(endOf)));
    const faults = this.#ends.flatMap(({ habit, ms }) => {
      if (ms === undefined) return [`${habit}: could not connect`];
      return ms > cutWithinMs ? [`${habit}: ${Math.round(ms / 100) / 10} s`] : [];
    });
    return [...new Set(faults)].slice(0, 10);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  #open(habit: SlowHabit): void {
    const connection = new SlowConnection(this.#options.port, habit);
    this.#connections.add(connection);
    void connection.ended.then((ms) => {
      this.#connections.delete(connection);
      this.#ends.push({ habit: habit.name, ms });
      if (this.#options.comesBack === true && !this.#closed) this.#open(habit);
    });
  }
}

export interface HonestOptions {
  readonly callers: number;
  /** Each works at its own pace; together they leave the machine room to open connections. */
  readonly paceMs: number;
  readonly job: () => Promise<void>;
}

/** Callers that work until they are stopped, which tells how many jobs the slowest did; or throws what one met. */
export function honestCallers({ callers, paceMs, job }: HonestOptions): () => Promise<number> {
  let working = true;
  const work = Promise.all(
    Array.from({ length: callers }, async () => {
      let jobs = 0;
      for (; working; jobs++) {
        await job();
        await pause(paceMs);
      }
      return jobs;
    }),
  );
  // Whoever stops them hears of it.
  work.catch(() => {});
  return async () => {
    working = false;
    return Math.min(...(await work));
  };
}

function endOf({ ended }: SlowConnection): Promise<unknown> {
  return ended;
}

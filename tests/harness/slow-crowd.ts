// Very many slow connections to one port, and honest callers beside them.
import { setTimeout as pause } from 'node:timers/promises';
import { patienceMs, sayTime } from './goals.ts';
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

  /** For a crowd that does not come back: waits until each of them is cut, and says which took longest. */
  async areCut(goalMs: number): Promise<void> {
    await within('every slow connection ends', patienceMs(goalMs), Promise.all([...this.#connections].map(endOf)));
    const slowest = this.#ends.reduce((a, b) => ((b.ms ?? 0) > (a.ms ?? 0) ? b : a));
    sayTime(`the slowest of ${this.#ends.length} cut (${slowest.habit})`, slowest.ms ?? 0, goalMs);
  }

  /** The habits of those that could not even connect. */
  get shutOut(): readonly string[] {
    return [...new Set(this.#ends.filter(({ ms }) => ms === undefined).map(({ habit }) => habit))];
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

// How system tests are written: a sentence, and what it uses. Everything used is closed in reverse order, whatever
// happens, and the error of a failing test carries the last log lines of every program that was running.
import { afterAll, beforeAll, test } from '@jest/globals';
import { withTails } from './process.ts';

export interface Closable {
  close(): Promise<unknown>;
}

/** Hands the thing back and closes it when the test, or the file, is over. */
export type Use = <T extends Closable>(thing: T) => T;

const storyBoundMs = 60_000;

export function story(sentence: string, tell: (use: Use) => Promise<void>, boundMs = storyBoundMs): void {
  test(
    sentence,
    async () => {
      const used = new UsedThings();
      try {
        await tell(used.use);
      } catch (error) {
        throw withTails(error);
      } finally {
        await used.close();
      }
    },
    boundMs,
  );
}

/** Made once for all stories of the file. */
export function shared<T>(make: (use: Use) => Promise<T>, boundMs = storyBoundMs): () => T {
  const used = new UsedThings();
  let made: { readonly value: T } | undefined;
  beforeAll(async () => {
    try {
      made = { value: await make(used.use) };
    } catch (error) {
      throw withTails(error);
    }
  }, boundMs);
  afterAll(() => used.close(), storyBoundMs);
  return () => {
    if (!made) throw new Error('shared things are made before the first story, not while the file loads');
    return made.value;
  };
}

class UsedThings {
  readonly #things: Closable[] = [];

  readonly use: Use = (thing) => {
    this.#things.push(thing);
    return thing;
  };

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const thing of this.#things.splice(0).reverse()) {
      await thing.close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed');
  }
}

// Writes down what happens, in memory for the rules and as JSONL for whoever looks for the cause. All times are of this
// process: callers, origin and faults are in it.
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Event, Happening } from './history.ts';

export class Recorder {
  readonly path: string;
  readonly #events: Event[] = [];
  readonly #file: WriteStream;

  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path);
  }

  get events(): readonly Event[] {
    return this.#events;
  }

  add(happening: Happening): void {
    const event = { atMs: performance.now(), ...happening };
    this.#events.push(event);
    this.#file.write(`${JSON.stringify(event)}\n`);
  }

  async close(): Promise<void> {
    this.#file.end();
    await finished(this.#file);
  }
}

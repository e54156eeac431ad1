// An answer of server-sent events: one event for each change, with an id by which a reader that comes back says where it
// was. Comments keep balancers from ending what is quiet, and a reader that does not read is given up.
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { SendOptions } from './reply.ts';

const heartbeatMs = 15_000;
/** When a reader whose stream ended comes back. */
const retryMs = 1_000;

export class EventStream {
  readonly #response: ServerResponse;
  readonly #options: SendOptions;
  #cancelHeartbeat = () => {};

  constructor(response: ServerResponse, options: SendOptions) {
    this.#response = response;
    this.#options = options;
  }

  begin(): void {
    // Balancers of the nginx family hold an answer back unless they are told not to.
    this.#response.writeHead(200, this.#head({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }));
    this.#response.write(`retry: ${retryMs}\n\n`);
    this.#heartbeatLater();
  }

  /** Nothing is left to tell: by 204 a reader knows not to come back. */
  nothing(): void {
    this.#response.writeHead(204, this.#head({}));
  }

  /** Resolves once the reader has room for more, or is gone. */
  async send(id: string, data: string, name?: string): Promise<void> {
    const event = name === undefined ? '' : `event: ${name}\n`;
    if (!this.#response.destroyed && !this.#response.write(`${event}id: ${id}\ndata: ${data}\n\n`))
      await this.#drained();
  }

  /** Writes no more by itself; the answer is still to be ended. */
  close(): void {
    this.#cancelHeartbeat();
  }

  #head(more: OutgoingHttpHeaders): OutgoingHttpHeaders {
    return {
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': this.#options.requestId,
      ...more,
    };
  }

  #drained(): Promise<void> {
    const { clock, writeTimeoutMs } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(writeTimeoutMs, () => this.#response.destroy());
      const over = () => {
        cancel();
        this.#response.off('drain', over).off('close', over);
        resolve();
      };
      this.#response.once('drain', over).once('close', over);
    });
  }

  #heartbeatLater(): void {
    this.#cancelHeartbeat = this.#options.clock.after(heartbeatMs, () => {
      if (!this.#response.writableNeedDrain) this.#response.write(':\n\n');
      this.#heartbeatLater();
    });
  }
}

/** Ends a stream that has begun; `failure` is why, as JSON, for readers that listen for it by name. */
export function endEvents(response: ServerResponse, failure: string | undefined): void {
  if (response.destroyed) return;
  if (failure !== undefined) response.write(`event: failure\ndata: ${failure}\n\n`);
  response.end();
}

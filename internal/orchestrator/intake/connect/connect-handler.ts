// Connect and gRPC-Web from the head of a request to the end of its answer. It knows nothing of listeners, and shares
// the port with REST.
import type { IncomingMessage } from 'node:http';
import { asFailure, logDefect } from '../as-failure.ts';
import type { PaceOptions } from '../http/body-pace.ts';
import { type Exchange, type HttpHandler, targetOf } from '../http/exchange.ts';
import type { Services } from '../methods.ts';
import { ConnectCall, type ConnectCallOptions } from './connect-call.ts';
import { type ConnectMethod, connectMethods } from './services.ts';
import { toUniversal, type WriteOptions, writeAnswer } from './universal.ts';

export interface ConnectHandlerOptions extends Services, ConnectCallOptions, WriteOptions {
  readonly pace: PaceOptions;
}

export class ConnectHandler implements HttpHandler {
  readonly #options: ConnectHandlerOptions;
  readonly #methods: ReadonlyMap<string, ConnectMethod>;

  constructor(options: ConnectHandlerOptions) {
    this.#options = options;
    this.#methods = connectMethods(options);
  }

  /** Whether the request names a method of ours. */
  serves(request: IncomingMessage): boolean {
    return this.#methods.has(targetOf(request).path);
  }

  async handle(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const { path } = targetOf(request);
    const method = this.#methods.get(path);
    if (!method) throw new Error(`${path} is no method`);
    const call = new ConnectCall(exchange, method.rule, this.#options);
    response.setHeader('x-request-id', call.requestId);
    try {
      const answer = await method.handler(toUniversal(exchange, path, call, this.#options.pace));
      await writeAnswer(exchange, answer, call.signal, this.#options);
    } catch (error) {
      // What can be told was told by the answer: this is none of it.
      logDefect(this.#options.log, asFailure(error), call.requestId);
      response.destroy();
    }
  }
}

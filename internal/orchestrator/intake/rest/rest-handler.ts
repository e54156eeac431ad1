// One REST request from its head to its answer. It knows nothing of listeners, so that another handler can share the
// port with it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../kit/clock.ts';
import type { Logger } from '../../../kit/log.ts';
import { type AddressRange, clientAddress } from '../../channel/client-address.ts';
import { asFailure, logDefect } from '../as-failure.ts';
import { type CallContext, checkedRequestId, checkedTraceparent } from '../call.ts';
import type { Gate } from '../gate.ts';
import { HttpFault } from './http-fault.ts';
import { problem } from './problem.ts';
import { type Reply, send } from './reply.ts';
import { findRoute, type RestCall, type RestServices, type Route, type Routes, restRoutes } from './routes.ts';

export interface RestHandlerOptions extends RestServices {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly trustedProxies: readonly AddressRange[];
  readonly log: Logger;
  readonly writeTimeoutMs: number;
}

type Guarded = Extract<Route, { kind: 'guarded' }>;

export class RestHandler {
  readonly #options: RestHandlerOptions;
  readonly #routes: Routes;
  #lastOfConnection = false;

  constructor(options: RestHandlerOptions) {
    this.#options = options;
    this.#routes = restRoutes(options);
  }

  /** From now on every answer ends its connection. */
  leave(): void {
    this.#lastOfConnection = true;
  }

  async handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const { clock, newRequestId, writeTimeoutMs } = this.#options;
    const requestId = checkedRequestId(single(request, 'x-request-id')) ?? newRequestId();
    const reply = await this.#answer(request, response, expectsContinue, requestId);
    send(request, response, reply, { clock, requestId, lastOfConnection: this.#lastOfConnection, writeTimeoutMs });
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
    requestId: string,
  ): Promise<Reply> {
    const { path, query } = target(request);
    try {
      const route = findRoute(this.#routes, path, request.method ?? '');
      if (route.kind === 'open') return route.answer();
      return await this.#guarded(route, { request, response, query, expectsContinue }, requestId);
    } catch (error) {
      const about = { requestId, isJob: path === '/jobs' };
      if (error instanceof HttpFault) return problem(error.failure, about, error);
      const failure = asFailure(error);
      logDefect(this.#options.log, failure, requestId);
      return problem(failure, about);
    }
  }

  async #guarded(route: Guarded, call: RestCall, requestId: string): Promise<Reply> {
    const { gate, trustedProxies } = this.#options;
    const { request, response } = call;
    const address = () =>
      clientAddress(request.socket.remoteAddress, single(request, 'x-forwarded-for'), trustedProxies);
    const { authorization } = request.headers;
    const caller = gate.enter({ door: 'rest', authorization, address }, route.rule);
    try {
      const context: CallContext = {
        door: 'rest',
        caller,
        requestId,
        deadlineMs: undefined,
        signal: goneSignal(response),
        traceparent: checkedTraceparent(single(request, 'traceparent')),
      };
      return await route.answer(call, context);
    } finally {
      gate.leave(caller);
    }
  }
}

/** Aborts when the connection ends before the answer did. */
function goneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

function target({ url = '' }: IncomingMessage): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at === -1
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

function single({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

// One REST request from its head to its answer. It knows nothing of listeners, and shares the port with Connect.
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../kit/clock.ts';
import type { Doorway } from '../../../kit/doorway.ts';
import type { Logger } from '../../../kit/log.ts';
import type { AddressRange } from '../../channel/client-address.ts';
import { asFailure, logDefect } from '../as-failure.ts';
import { type CallContext, checkedRequestId, checkedTraceparent } from '../call.ts';
import type { Gate } from '../gate.ts';
import { callerAddress, type Exchange, type HttpHandler, headerOf, onceOver, targetOf } from '../http/exchange.ts';
import { EventStream, endEvents } from './event-stream.ts';
import { HttpFault } from './http-fault.ts';
import { problem } from './problem.ts';
import { type Reply, type SendOptions, send } from './reply.ts';
import type { RestCall, Route, Routes } from './route.ts';
import { findRoute, type RestServices, restRoutes } from './routes.ts';

export interface RestHandlerOptions extends RestServices {
  readonly gate: Gate;
  readonly doorway: Pick<Doorway, 'vouchFor'>;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  readonly trustedProxies: readonly AddressRange[];
  readonly log: Logger;
  readonly writeTimeoutMs: number;
}

type Guarded = Extract<Route, { kind: 'guarded' }>;

export class RestHandler implements HttpHandler {
  readonly #options: RestHandlerOptions;
  readonly #routes: Routes;

  constructor(options: RestHandlerOptions) {
    this.#options = options;
    this.#routes = restRoutes(options);
  }

  async handle(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const { clock, newRequestId, writeTimeoutMs } = this.#options;
    const requestId = checkedRequestId(headerOf(request, 'x-request-id')) ?? newRequestId();
    const options = { clock, requestId, writeTimeoutMs };
    const reply = await this.#answer(exchange, options);
    if (response.headersSent) endEvents(response, reply?.text);
    else if (reply) send(request, response, reply, options);
  }

  async #answer(exchange: Exchange, options: SendOptions): Promise<Reply | undefined> {
    const { request, response, expectsContinue } = exchange;
    const { requestId } = options;
    const { path, query } = targetOf(request);
    const about = { requestId, isJob: false };
    try {
      const { route, jobId } = findRoute(this.#routes, path, request.method ?? '');
      if (route.kind === 'open') return route.answer();
      const call: RestCall = {
        request,
        response,
        expectsContinue,
        query: new URLSearchParams(query),
        jobId,
        waitsForJob: () => {
          about.isJob = true;
        },
        openEvents: () => new EventStream(response, options),
      };
      return await this.#guarded(route, call, requestId);
    } catch (error) {
      if (error instanceof HttpFault) return problem(error.failure, about, error);
      const failure = asFailure(error);
      logDefect(this.#options.log, failure, requestId);
      return problem(failure, about);
    }
  }

  async #guarded(route: Guarded, call: RestCall, requestId: string): Promise<Reply | undefined> {
    const { gate, doorway, trustedProxies } = this.#options;
    const { request, response } = call;
    const address = () => callerAddress(request, trustedProxies);
    const vouch = () => doorway.vouchFor(request.socket);
    const { authorization } = request.headers;
    const signal = goneSignal(response);
    const entering = gate.enter({ door: 'rest', authorization, address, vouch }, route.rule);
    const caller = entering instanceof Promise ? await entering : entering;
    try {
      if (signal.aborted) return undefined;
      const context: CallContext = {
        door: 'rest',
        caller,
        requestId,
        deadlineMs: undefined,
        signal,
        traceparent: checkedTraceparent(headerOf(request, 'traceparent')),
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
  onceOver(response, (answered) => {
    if (!answered) controller.abort();
  });
  return controller.signal;
}

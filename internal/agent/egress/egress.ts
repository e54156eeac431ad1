// Runs the HTTP exchanges of an agent: the way from the channel to the origins. What intake checked is checked again
// here, because the machine is its owner's and not the orchestrator's.
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ConnectError } from '../../guard/connect-error.ts';
import type { Connector } from '../../guard/connector.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { checkHeaders, checkMethod, parseTarget, type RequestFault } from '../../wire/http-rules.ts';
import type { EgressExchange, EgressRequest, EgressSink, RequestBody } from './egress-api.ts';
import { Exchange, type ExchangeHost, type Outcome } from './exchange.ts';
import { failure, failureName } from './failures.ts';
import { Lanes } from './lanes.ts';
import { ReplayBudget, Upload } from './upload.ts';

export interface EgressOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pairs of isolation and origin that keep connections and a TLS session. */
  readonly maxPools?: number;
  /** Idle connections over all pools; busy ones are as many as exchanges run. */
  readonly maxIdle?: number;
  readonly keepAliveMs?: number;
  /** Request bodies kept for being sent again, over all exchanges. */
  readonly replayBytes?: number;
}

export class Egress implements ExchangeHost {
  readonly clock: Clock;
  readonly lanes: Lanes;
  readonly #logger: Logger;
  readonly #replays: ReplayBudget;
  readonly #running = new Set<Exchange>();

  constructor({ connector, clock, logger, maxPools, maxIdle, keepAliveMs, replayBytes }: EgressOptions) {
    this.clock = clock;
    this.#logger = logger;
    this.#replays = new ReplayBudget(replayBytes ?? 64 * 1024 * 1024);
    this.lanes = new Lanes({
      connector,
      clock,
      maxPools: maxPools ?? 256,
      maxIdle: maxIdle ?? 256,
      keepAliveMs: keepAliveMs ?? 4_000,
    });
  }

  /** Exchanges that are not over. */
  get running(): number {
    return this.#running.size;
  }

  /** The sink hears nothing before this returns. */
  run(request: EgressRequest, body: RequestBody, sink: EgressSink): EgressExchange {
    const target = parseTarget(request.url);
    if (target.kind === 'fault') return this.#refuse(target, request, sink);
    const { method, headers } = request;
    const fault = checkMethod(method) ?? checkHeaders(headers, target.authority);
    if (fault) return this.#refuse(fault, request, sink);
    const exchange = new Exchange(this, request, { target, method, headers, body: this.#payload(body, request) }, sink);
    this.#running.add(exchange);
    queueMicrotask(() => exchange.start());
    return exchange;
  }

  /** Fails what still runs and closes every connection. */
  async close(): Promise<void> {
    for (const exchange of this.#running)
      exchange.fail(exchange.sent ? FailureCode.AGENT_LOST : FailureCode.AGENT_DISCONNECTED);
    await this.lanes.close();
  }

  onOver(exchange: Exchange, outcome: Outcome): void {
    this.#running.delete(exchange);
    if (outcome.kind === 'done') this.#logger.info(exchange.summary, doneWords(exchange.summary));
    else if (outcome.kind === 'aborted') this.#logger.debug(exchange.summary, 'Job cancelled.');
    else this.#logFailure(exchange, outcome);
  }

  #logFailure({ summary: { jobId, host } }: Exchange, { failure, cause }: Extract<Outcome, { kind: 'failed' }>): void {
    const line = { jobId, host, code: failureName(failure.code) };
    if (!(cause instanceof ConnectError)) this.#logger.info(line, `Job failed: ${host}, ${line.code}.`);
    else if (cause.code === 'prohibited-address')
      this.#logger.warn(
        { ...line, range: cause.range },
        `Job refused: ${host} leads to an address that jobs must not reach.`,
      );
    else if (cause.code === 'port-refused')
      this.#logger.warn(line, `Job refused: the port of ${host} is not an allowed one.`);
    else this.#logger.info(line, `Job failed: ${host} could not be reached.`);
  }

  #payload(body: RequestBody, { maxRedirects }: EgressRequest): Uint8Array | Upload | null {
    if (!body.end) return new Upload(body, maxRedirects > 0, this.#replays);
    return body.first.length > 0 ? body.first : null;
  }

  #refuse({ field, tooLarge }: RequestFault, { jobId }: EgressRequest, sink: EgressSink): EgressExchange {
    const code = tooLarge ? FailureCode.REQUEST_TOO_LARGE : FailureCode.INVALID_REQUEST;
    let aborted = false;
    this.#logger.warn(
      { jobId, field, code: failureName(code) },
      'Job refused: its request is not one that an agent sends.',
    );
    queueMicrotask(() => {
      if (!aborted) sink.fail(failure(code, Execution.NOT_STARTED));
    });
    return {
      resume: () => {},
      abort: () => {
        aborted = true;
      },
    };
  }
}

/** For the owner of the machine: which host, with which result, and how much; never path, headers or body. */
function doneWords({ host, status, bytes }: Exchange['summary']): string {
  return `Job done: ${host} answered ${status}, ${bytes} bytes.`;
}

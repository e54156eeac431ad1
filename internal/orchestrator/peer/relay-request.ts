// What another pod asks in OPEN, checked before anything is done. That pod was authenticated, but it may be of another
// version: what does not fit is refused, never guessed at. URL, method and headers are judged by the agent, as always.
import type { HttpOpen } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { Target as WireTarget } from '../../../gen/resproxy/v1/target_pb.ts';
import { limits } from '../../wire/limits.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { ArrivingBody, ExchangeRequest, OutboundRequest } from '../channel/link.ts';
import { AttemptFailure } from '../failure/failures.ts';
import type { Code } from '../failure/table.ts';
import type { Target } from '../route/candidate.ts';
import { relayLimits } from './relay-limits.ts';

/** `<key name>/<AGENT_NAME>/<exit name>` */
const exitIdPattern = /^[A-Za-z0-9._-]{1,128}\/[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/;
const noLabels: ReadonlyMap<string, string> = new Map();

/** Throws an AttemptFailure. */
export function readRelayRequest(stream: AcceptedStream): ExchangeRequest {
  const { open } = stream;
  const { exit: exitId, kind, relay, jobId, attempt, idempotent, deadlineMs, traceparent } = open;
  check(kind.case === 'http', 'kind of stream', 'UNIMPLEMENTED');
  check(exitIdPattern.test(exitId), 'exit');
  check(jobId !== '' && jobId.length <= relayLimits.maxJobIdChars && attempt > 0, 'job and attempt');
  check(deadlineMs > 0, 'deadline');
  check(relay?.target !== undefined, 'relay');
  const { tenant, triedExitIds: tried } = relay;
  check(tenant !== '' && tried.length <= relayLimits.maxTriedExits, 'relay');
  const target = readTarget(relay.target, exitId);
  const request = readHttp(kind.value, open.body);
  const job = { jobId, attempt, tenant, idempotent, deadlineMs, traceparent };
  const whole = { exitId, target, tried, ...job, request };
  return open.end ? whole : { ...whole, rest: readRest(stream) };
}

function readTarget({ country, region, city, asn, exitId, labels }: WireTarget, asked: string): Target {
  check(exitId === '' || exitId === asked, 'pinned exit');
  const entries = Object.entries(labels);
  check(entries.length <= limits.maxLabelsPerExit, 'labels');
  return { country, region, city, asn, exitId, labels: entries.length === 0 ? noLabels : new Map(entries) };
}

/** Within the bounds of the frame that it came in; the header array is handed on as it is. */
function readHttp(http: HttpOpen, body: Uint8Array): OutboundRequest {
  const { method, url, headers, maxRedirects, decompress } = http;
  const maxResponseBytes = Number(http.maxResponseBytes);
  check(method !== '' && url !== '', 'request');
  check(maxRedirects <= limits.maxRedirects && Number.isSafeInteger(maxResponseBytes), 'bounds');
  check(url.length <= limits.maxUrlBytes && headers.length <= limits.maxHeaders, 'size', 'REQUEST_TOO_LARGE');
  check(body.length <= limits.maxInlineBodyBytes, 'body', 'REQUEST_TOO_LARGE');
  return { method, url, headers, body, maxRedirects, decompress, maxResponseBytes };
}

function readRest(stream: AcceptedStream): ArrivingBody {
  const { bodyBytes, body } = stream.open;
  check(bodyBytes !== undefined, 'body of unknown length', 'UNIMPLEMENTED');
  check(bodyBytes > body.length, 'body');
  check(bodyBytes <= limits.maxUnaryBodyBytes, 'body', 'REQUEST_TOO_LARGE');
  return new RelayedBody(stream, bodyBytes);
}

/** Exactly as long as was said: the origin is told the length before the rest has come. */
class RelayedBody implements ArrivingBody {
  readonly totalBytes: number;
  readonly #stream: AcceptedStream;
  #left: number;

  constructor(stream: AcceptedStream, totalBytes: number) {
    this.#stream = stream;
    this.totalBytes = totalBytes;
    this.#left = totalBytes - stream.open.body.length;
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#stream.read();
    this.#left -= bytes?.length ?? 0;
    if (bytes ? this.#left < 0 : this.#left > 0) throw new Error('the body is not as long as the other pod said');
    return bytes;
  }
}

function check(holds: boolean, what: string, code: Code = 'INVALID_REQUEST'): asserts holds {
  if (!holds) throw new AttemptFailure(code, 'NOT_STARTED', { cause: new Error(`relayed OPEN: ${what}`) });
}

// An attempt as OPEN carries it. Built by hand rather than by create(): it is on the path of every job.
import type { Header as WireHeader } from '../../../gen/resproxy/v1/http_pb.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import type { ExchangeRequest, Header, OutboundRequest } from './link.ts';

export function toOpenRequest(request: ExchangeRequest, exit: string, isolationKey: Uint8Array): OpenRequest {
  return {
    exit,
    kind: { case: 'http', value: toHttpOpen(request.request) },
    deadlineMs: Math.max(1, Math.ceil(request.deadlineMs)),
    jobId: request.jobId,
    attempt: request.attempt,
    idempotent: request.idempotent,
    isolationKey,
    traceparent: request.traceparent,
  };
}

type HttpOpen = Extract<OpenRequest['kind'], { case: 'http' }>['value'];

function toHttpOpen(request: OutboundRequest): HttpOpen {
  return {
    $typeName: 'resproxy.v1.HttpOpen',
    method: request.method,
    url: request.url,
    headers: request.headers.map(toWireHeader),
    maxRedirects: request.maxRedirects,
    decompress: request.decompress,
    maxResponseBytes: BigInt(request.maxResponseBytes),
  };
}

function toWireHeader({ name, value }: Header): WireHeader {
  return { $typeName: 'resproxy.v1.Header', name, value };
}

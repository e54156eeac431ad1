// A JobFailure as REST tells it: one object that is both what the README shows and a problem of RFC 9457, and the
// headers that say the same to machines in between.
import type { JobFailure } from '../../failure/failures.ts';
import { restField } from './fields.ts';
import { proxyStatus } from './proxy-status.ts';
import type { Reply } from './reply.ts';

export interface ProblemContext {
  readonly requestId: string;
  /** The failure is that of a job whose caller waits. */
  readonly isJob: boolean;
}

/** What HTTP itself refuses, before any service hears of it. */
export interface HttpRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const typeBase = 'https://resproxy.dev/problems/';
const maxTextLength = 1024;

export function problem(failure: JobFailure, context: ProblemContext, refusal?: HttpRefusal): Reply {
  const status = refusal?.status ?? failure.row.http;
  const body = { ...problemBody(failure, context), status };
  const headers = { ...headersOf(failure, detailOf(failure)), ...refusal?.headers };
  return { status, type: 'application/problem+json', text: JSON.stringify(body), headers };
}

export function problemBody(failure: JobFailure, { requestId, isJob }: ProblemContext): object {
  const { code, row, field } = failure;
  const detail = detailOf(failure);
  return {
    message: isJob ? jobMessage(failure, detail) : detail,
    jobId: failure.jobId,
    requestId,
    agentErrorCode: code,
    type: typeBase + code.toLowerCase().replaceAll('_', '-'),
    title: row.title,
    status: row.http,
    detail,
    code,
    origin: failure.origin,
    execution: failure.execution,
    retryable: failure.retryable,
    field: field === undefined ? undefined : restField(field),
    subReason: failure.refusal,
    attempts: isJob ? failure.attempts : undefined,
  };
}

function jobMessage({ code }: JobFailure, detail: string): string {
  if (code === 'DEADLINE_EXCEEDED') return 'Request timed out waiting for job completion.';
  return `Job failed during execution: ${detail}`;
}

/** The failure's text may begin with its field, by the name that services use. */
function detailOf({ message, field }: JobFailure): string {
  const text = message.slice(0, maxTextLength).toWellFormed();
  return field !== undefined && text.startsWith(`${field}: `) ? restField(field) + text.slice(field.length) : text;
}

function headersOf(failure: JobFailure, detail: string): Record<string, string> {
  const { code, row, retryAfterMs, tokenError } = failure;
  const headers: Record<string, string> = { 'proxy-status': proxyStatus(row.proxyError, detail) };
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
  if (code === 'UNAUTHENTICATED' || tokenError) headers['www-authenticate'] = challenge(tokenError, detail);
  return headers;
}

/** RFC 6750, section 3: who sent no token is told of no error. */
function challenge(error: JobFailure['tokenError'], detail: string): string {
  if (error === undefined) return 'Bearer';
  const description = detail.replaceAll(/["\\]/g, "'").replaceAll(/[^\x20-\x7e]/g, '?');
  return `Bearer error="${error}", error_description="${description}"`;
}

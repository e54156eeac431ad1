// The one place where errors of undici, Node and the guard become failures of a job. By their codes only.
import { errors } from 'undici';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ConnectError, type ConnectErrorCode } from '../../guard/connect-error.ts';
import type { EgressFailure } from './egress-api.ts';
import { UploadError } from './upload.ts';

/** How far the exchange was when it failed. */
export type Progress =
  /** Nothing was handed to the socket. */
  | 'unsent'
  | 'sent'
  /** The final head arrived. */
  | 'answered';

export function executionOf(progress: Progress): Execution {
  if (progress === 'answered') return Execution.DONE;
  return progress === 'unsent' ? Execution.NOT_STARTED : Execution.POSSIBLE;
}

export function failure(code: FailureCode, execution: Execution): EgressFailure {
  return { code, execution, refusal: RefusalReason.UNSPECIFIED };
}

export function translate(error: unknown, progress: Progress): EgressFailure {
  const execution = executionOf(progress);
  if (error instanceof ConnectError) return { ...failure(connectFailures[error.code], execution), ...refusalOf(error) };
  if (error instanceof UploadError) return failure(FailureCode.CANCELLED, execution);
  const code = codeOf(error);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return failure(FailureCode.RESPONSE_TOO_LARGE, Execution.DONE);
  if (isMalformed(error, code)) return failure(FailureCode.RESPONSE_INCOMPLETE, Execution.POSSIBLE);
  if (!isConnectionLoss(error)) return failure(FailureCode.INTERNAL, execution);
  const lost = progress === 'answered' ? FailureCode.RESPONSE_INCOMPLETE : FailureCode.CONNECTION_TERMINATED;
  return failure(lost, progress === 'unsent' ? Execution.NOT_STARTED : Execution.POSSIBLE);
}

/** Not HTTP, or a body that is shorter or longer than announced. undici loses the code of most parser errors. */
function isMalformed(error: unknown, code: string): boolean {
  return error instanceof errors.HTTPParserError || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
}

/** The connection ended under the exchange, and not at our wish. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error);
  return connectionLosses.has(code) || code.startsWith('ERR_SSL_');
}

const connectionLosses: ReadonlySet<string> = new Set([
  'ECONNABORTED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_SOCKET',
]);

const connectFailures: Readonly<Record<ConnectErrorCode, FailureCode>> = {
  'prohibited-address': FailureCode.DESTINATION_IP_PROHIBITED,
  'port-refused': FailureCode.EXIT_REFUSED,
  nxdomain: FailureCode.DNS_NXDOMAIN,
  'dns-failure': FailureCode.DNS_FAILURE,
  refused: FailureCode.CONNECT_REFUSED,
  timeout: FailureCode.CONNECT_TIMEOUT,
  unroutable: FailureCode.UNROUTABLE,
  'tls-failure': FailureCode.TLS_FAILURE,
  'certificate-invalid': FailureCode.TLS_CERTIFICATE_INVALID,
  aborted: FailureCode.CANCELLED,
};

function refusalOf({ code }: ConnectError): { refusal: RefusalReason } | undefined {
  return code === 'port-refused' ? { refusal: RefusalReason.PORT } : undefined;
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

const names = new Map<number, string>(Object.entries(FailureCode).map(([name, code]) => [code, name]));

/** For the log. */
export function failureName(code: FailureCode): string {
  return names.get(code) ?? String(code);
}

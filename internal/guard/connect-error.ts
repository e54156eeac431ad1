// Why a connection could not be made: one class with a closed list of codes, and the one place that reads the errors of
// resolver, socket and TLS. By their codes only: texts change.

export type ConnectErrorCode =
  | 'prohibited-address'
  | 'port-refused'
  | 'nxdomain'
  | 'dns-failure'
  | 'refused'
  | 'timeout'
  | 'unroutable'
  | 'tls-failure'
  | 'certificate-invalid'
  | 'aborted';

export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly code: ConnectErrorCode;
  /** The special range of a prohibited address: `private`, `loopback`, `own`, ... */
  readonly range: string | undefined;

  constructor(code: ConnectErrorCode, { cause, range }: { cause?: unknown; range?: string } = {}) {
    super(code, { cause });
    this.code = code;
    this.range = range;
  }
}

/** EAI_NONAME and EAI_NODATA both come as ENOTFOUND; all else is the resolver's trouble, not the name's. */
export function resolveError(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) return cause;
  return new ConnectError(codeOf(cause) === 'ENOTFOUND' ? 'nxdomain' : 'dns-failure', { cause });
}

/** Of several addresses that failed, the one that got furthest says why. */
export function dialError(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) return cause;
  const codes = attemptsOf(cause).map(codeOf);
  if (codes.some((code) => refusals.has(code))) return new ConnectError('refused', { cause });
  return new ConnectError(codes.includes('ETIMEDOUT') ? 'timeout' : 'unroutable', { cause });
}

const refusals: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED']);

/** `unauthorized`: the handshake itself went well and the certificate did not. */
export function tlsError(cause: unknown, unauthorized: boolean): ConnectError {
  if (cause instanceof ConnectError) return cause;
  return new ConnectError(unauthorized ? 'certificate-invalid' : 'tls-failure', { cause });
}

/** Happy eyeballs fail with one AggregateError over all attempts. */
function attemptsOf(cause: unknown): unknown[] {
  return isRecord(cause) && Array.isArray(cause.errors) ? cause.errors : [cause];
}

function codeOf(error: unknown): unknown {
  return isRecord(error) ? error.code : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

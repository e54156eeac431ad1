// What went wrong between this program and the API server, in one class with a code. Texts of the server are for people;
// nobody parses them.

export type KubeFault =
  /** No answer, or none in time. */
  | 'unreachable'
  | 'not-found'
  /** There is one of that name already. */
  | 'already-exists'
  /** The object changed since it was read. */
  | 'conflict'
  /** The version to watch from is too old: list again. */
  | 'expired'
  | 'forbidden'
  /** The server will not take the object as it is. */
  | 'invalid'
  /** This process may not write: another one leads. */
  | 'not-leader'
  /** The server is busy or broken; trying again may help. */
  | 'server';

export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly fault: KubeFault;

  constructor(fault: KubeFault, message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}

/** An answer of the API server that is no success; `body` is a Status, or whatever a proxy on the way said. */
export function answerError(status: number, what: string, body: string): KubeError {
  const { reason, message } = readStatus(body);
  return new KubeError(faultOf(status, reason), `${what}: ${status} ${message}`);
}

export function isFault(error: unknown, ...faults: readonly KubeFault[]): error is KubeError {
  return error instanceof KubeError && faults.includes(error.fault);
}

const faultOfStatus: ReadonlyMap<number, KubeFault> = new Map([
  [400, 'invalid'],
  [401, 'forbidden'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [410, 'expired'],
  [413, 'invalid'],
  [422, 'invalid'],
]);

function faultOf(status: number, reason: string): KubeFault {
  if (status === 409) return reason === 'AlreadyExists' ? 'already-exists' : 'conflict';
  return faultOfStatus.get(status) ?? 'server';
}

const shownLength = 500;

function readStatus(body: string): { reason: string; message: string } {
  try {
    const { reason = '', message = '' } = JSON.parse(body) as { reason?: unknown; message?: unknown };
    return { reason: String(reason), message: String(message).slice(0, shownLength) };
  } catch {
    return { reason: '', message: 'with an answer that is no Status' };
  }
}

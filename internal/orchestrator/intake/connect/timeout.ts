// The time that a caller gives its call. The library would read it too, but it sets a timer by it before the caller is
// known, of any length that is written there.
import { JobFailure } from '../../failure/failures.ts';
import { headerOf } from '../http/exchange.ts';

type Request = Parameters<typeof headerOf>[0];

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** In milliseconds; undefined when there is no bound. Throws a JobFailure. */
export function timeoutOf(request: Request, door: 'connect' | 'grpc-web'): number | undefined {
  return door === 'connect'
    ? read(request, 'connect-timeout-ms', /^(\d{1,10})()$/)
    : read(request, 'grpc-timeout', /^(\d{1,8})([HMSmun])$/);
}

function read(request: Request, name: string, pattern: RegExp): number | undefined {
  const text = headerOf(request, name);
  if (text === undefined) return undefined;
  const [, count, unit = ''] = pattern.exec(text) ?? [];
  if (count === undefined) throw new JobFailure('INVALID_REQUEST', { detail: `The header ${name} cannot be read.` });
  return Number(count) * (unitMs[unit] ?? 1);
}

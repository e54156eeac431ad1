// What the queries of lists share.
import { invalid } from '../validate/faults.ts';

/** 0: the caller leaves it to us. Throws a JobFailure that names the parameter. */
export function limit(query: URLSearchParams, most: number): number {
  const text = query.get('limit');
  if (text === null) return 0;
  const size = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (size < 1 || size > most) throw invalid('limit', `must be 1 to ${most}`);
  return size;
}

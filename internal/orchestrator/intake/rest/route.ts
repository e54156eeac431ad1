// One path of the REST door: what a call of it needs, and how it is answered.
import type { CallContext, CallRule } from '../call.ts';
import type { Exchange } from '../http/exchange.ts';
import { invalid } from '../validate/faults.ts';
import type { EventStream } from './event-stream.ts';
import type { Reply } from './reply.ts';

/** One request of a caller that was let in. */
export interface RestCall extends Exchange {
  readonly query: URLSearchParams;
  /** From the path; empty where the path names no job. */
  readonly jobId: string;
  /** From now on a failure is the job's: its caller waits for it. */
  waitsForJob(): void;
  /** An answer that goes on, in the place of a reply. */
  openEvents(): EventStream;
}

/** Resolves with nothing when the answer was an event stream. */
export type Answer = (call: RestCall, context: CallContext) => Promise<Reply | undefined>;

export type Route =
  | { readonly kind: 'open'; readonly answer: () => Reply }
  | { readonly kind: 'guarded'; readonly rule: CallRule; readonly answer: Answer };

export type Methods = ReadonlyMap<string, Route>;

/** By path, `{id}` in the place of a job's id; then by method. */
export type Routes = ReadonlyMap<string, Methods>;

export function guarded(rule: CallRule, answer: Answer): Route {
  return { kind: 'guarded', rule, answer };
}

export function readOnly(route: Route): Methods {
  return new Map([
    ['GET', route],
    ['HEAD', route],
  ]);
}

/** Of a path that names a job, and takes no parameters. */
export function namedJob({ jobId, query }: RestCall): string {
  refuseQuery(query);
  return jobId;
}

/** Throws a JobFailure that names the first parameter there is. */
export function refuseQuery(query: URLSearchParams): void {
  const [name] = query.keys();
  if (name !== undefined) throw invalid(name, 'is no parameter of this path');
}

// What intake tells of jobs, for metrics. Every method is called on the path of a job and must be cheap.
import type { Code } from '../failure/table.ts';
import type { Door } from './call.ts';

export interface JobObserver {
  started(): void;
  finished(door: Door, code: Code | 'OK', ms: number): void;
  /** The job never started: its caller was not known, not allowed, or over a limit. */
  refused(door: Door, code: Code): void;
}

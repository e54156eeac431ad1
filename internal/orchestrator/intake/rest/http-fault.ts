// What is wrong with a request as HTTP, not as a job: no such path, another method, another media type.
import { JobFailure } from '../../failure/failures.ts';

export class HttpFault extends Error {
  override readonly name = 'HttpFault';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly failure: JobFailure;

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
    this.failure = new JobFailure('INVALID_REQUEST', { detail });
  }
}

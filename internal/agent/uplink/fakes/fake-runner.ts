// For tests: an egress without origins. Every job it is given waits until the test says what the origin answers.
import type { EgressExchange, EgressHead, EgressRequest, EgressSink, RequestBody } from '../../egress/egress-api.ts';
import type { HttpRunner } from '../served-stream.ts';
import { Inbox } from './inbox.ts';

export class FakeRun implements EgressExchange {
  readonly request: EgressRequest;
  readonly body: RequestBody;
  readonly sink: EgressSink;
  readonly #resumed = new Inbox<true>();
  readonly #aborted = new Inbox<true>();

  constructor(request: EgressRequest, body: RequestBody, sink: EgressSink) {
    this.request = request;
    this.body = body;
    this.sink = sink;
  }

  resume(): void {
    this.#resumed.put(true);
  }

  abort(): void {
    this.#aborted.put(true);
  }

  /** Resolve when the uplink has called, once for each call. */
  resumed(): Promise<true> {
    return this.#resumed.take();
  }

  aborted(): Promise<true> {
    return this.#aborted.take();
  }

  /** Calls that nobody waited for. */
  get resumes(): number {
    return this.#resumed.waiting.length;
  }

  get aborts(): number {
    return this.#aborted.waiting.length;
  }
}

export class FakeRunner implements HttpRunner {
  runs = 0;
  readonly #runs = new Inbox<FakeRun>();

  run(request: EgressRequest, body: RequestBody, sink: EgressSink): EgressExchange {
    const run = new FakeRun(request, body, sink);
    this.runs++;
    this.#runs.put(run);
    return run;
  }

  next(): Promise<FakeRun> {
    return this.#runs.take();
  }
}

export const okHead: EgressHead = {
  statusCode: 200,
  headers: [
    { name: 'Set-Cookie', value: 'a=1' },
    { name: 'X-A', value: 'b' },
    { name: 'Set-Cookie', value: 'c=2' },
  ],
  finalUrl: 'http://origin.example/secret/path?token=1',
  timings: { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4 },
};

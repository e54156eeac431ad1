// One job of another pod on an agent of this one: hands the answer on as fast as that pod takes it, so that a slow caller
// slows down the origin and nothing piles up here. An end on either side is an end on the other.
import { ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { type TimerWheel, WheelTimer } from '../../kit/timer-wheel.ts';
import type { AcceptedStream, StreamEnd } from '../../wire/stream-api.ts';
import type { Exchange, ExchangeHead } from '../channel/link.ts';
import type { AttemptFailure } from '../failure/failures.ts';
import { codeNumber } from '../failure/table.ts';
import { relayLimits } from './relay-limits.ts';
import { asAttemptFailure, failedJob } from './relay-refusal.ts';

export class ServedExchange {
  readonly #stream: AcceptedStream;
  readonly #exchange: Exchange;
  readonly #exitId: string;
  readonly #wheel: TimerWheel;
  readonly #onOver: () => void;
  readonly #timer = new WheelTimer(() => this.#onOverdue());
  #answered = false;

  /** `exitId` as in OPEN_OK. `onOver` is called once, when the job takes nothing of this pod any more. */
  constructor(stream: AcceptedStream, exchange: Exchange, exitId: string, wheel: TimerWheel, onOver: () => void) {
    this.#stream = stream;
    this.#exchange = exchange;
    this.#exitId = exitId;
    this.#wheel = wheel;
    this.#onOver = onOver;
  }

  start(deadlineMs: number): void {
    this.#wheel.set(this.#timer, deadlineMs + relayLimits.overdueMs);
    this.#stream.onAbort((end) => this.#exchange.cancel(wasDeadline(end) ? 'deadline' : 'cancelled'));
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      const head = await this.#exchange.head;
      this.#accept(head);
      if (!head.end) await this.#handOnBody();
    } catch (error) {
      this.#fail(asAttemptFailure(error));
    } finally {
      this.#wheel.cancel(this.#timer);
      this.#onOver();
    }
  }

  #accept({ statusCode, headers, finalUrl, timings, body, end }: ExchangeHead): void {
    this.#answered = true;
    this.#stream.accept({ statusCode, headers, finalUrl, timings, body, end, exitId: this.#exitId });
  }

  async #handOnBody(): Promise<void> {
    for (let bytes = await this.#exchange.read(); bytes; bytes = await this.#exchange.read()) {
      if (!this.#stream.write(bytes)) await this.#stream.writable();
    }
    this.#stream.end();
  }

  #fail(failure: AttemptFailure): void {
    if (this.#answered) this.#stream.reset(ResetCode.FAILED, codeNumber(failure.code));
    else this.#stream.refuse(failedJob(failure, this.#exitId));
  }

  #onOverdue(): void {
    this.#exchange.cancel('deadline');
    this.#stream.reset(ResetCode.DEADLINE);
  }
}

function wasDeadline(end: StreamEnd): boolean {
  return end.kind === 'reset' && end.code === ResetCode.DEADLINE;
}

// Every job that this agent runs now, over all its connections, and who may start one: the exit must be there, open and
// not full, and the attempt must be new.
import { ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { type Open, type OpenErr, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { Clock } from '../../kit/clock.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import { AttemptLedger } from './attempt-ledger.ts';
import type { Exit, Exits } from './exits.ts';
import type { Journal } from './journal.ts';
import { type HttpRunner, ServedStream } from './served-stream.ts';

interface Refusal extends Pick<OpenErr, 'code' | 'refusal' | 'execution'> {
  /** For the log of the agent's owner. */
  readonly why: string;
}

const { NOT_STARTED, POSSIBLE } = Execution;
const none = RefusalReason.UNSPECIFIED;
const { PAUSED, QUOTA } = RefusalReason;

// biome-ignore format: a table reads by its columns
const refusals = {
  missing:  { code: FailureCode.EXIT_NOT_FOUND, refusal: none,   execution: NOT_STARTED, why: 'this agent has no such exit' },
  busy:     { code: FailureCode.EXIT_BUSY,      refusal: none,   execution: NOT_STARTED, why: 'this agent runs as many jobs as it may' },
  paused:   { code: FailureCode.EXIT_REFUSED,   refusal: PAUSED, execution: NOT_STARTED, why: 'the exit is paused' },
  quota:    { code: FailureCode.EXIT_REFUSED,   refusal: QUOTA,  execution: NOT_STARTED, why: 'the allowance of the exit is used up' },
  // What became of the first run is not known here.
  repeated: { code: FailureCode.INTERNAL,       refusal: none,   execution: POSSIBLE,    why: 'it was run already' },
} as const satisfies Record<string, Refusal>;

export interface JobsOptions {
  readonly runner: HttpRunner;
  readonly exits: Exits;
  readonly journal: Journal;
  readonly clock: Clock;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #ledger: AttemptLedger;
  readonly #running = new Set<ServedStream>();

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#ledger = new AttemptLedger(options.clock);
  }

  get running(): number {
    return this.#running.size;
  }

  serve(stream: AcceptedStream): void {
    const { open } = stream;
    if (open.kind.case !== 'http') return stream.reset(ResetCode.UNSUPPORTED);
    const exit = this.#options.exits.find(open.exit);
    if (!exit) return this.#refuse(stream, refusals.missing);
    const refusal = this.#refusalOf(open, exit);
    if (refusal) return this.#refuse(stream, refusal);
    const served = new ServedStream(stream, exit, this.#onOver);
    exit.inFlight++;
    this.#running.add(served);
    served.start(this.#options.runner, open.kind.value);
  }

  /** Ends what is left: this agent stops. */
  endAll(): void {
    for (const served of [...this.#running]) served.cut();
  }

  /** Enters the attempt into the ledger when nothing else stands against it. */
  #refusalOf({ jobId, attempt }: Open, exit: Exit): Refusal | undefined {
    if (exit.state === ExitState.PAUSED) return refusals.paused;
    if (exit.state === ExitState.QUOTA) return refusals.quota;
    if (exit.state === ExitState.COOLING || exit.inFlight >= exit.capacity) return refusals.busy;
    return this.#ledger.begin(jobId, attempt) ? undefined : refusals.repeated;
  }

  #refuse(stream: AcceptedStream, { why, ...error }: Refusal): void {
    stream.refuse(error);
    this.#options.journal.jobRefused(stream.open, why);
  }

  readonly #onOver = (served: ServedStream): void => {
    this.#running.delete(served);
    served.exit.inFlight--;
  };
}

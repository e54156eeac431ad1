// What happened in a run, as one list of events in the order and by the clock of one process, and the questions that the
// rules ask of it.

export type Door = 'grpc' | 'rest' | 'stream';

/** What a caller knows when its call is over. */
export type Outcome =
  | { readonly result: 'succeeded'; readonly sha256: string; readonly attempts: number }
  /** A pod said so. */
  | { readonly result: 'failed'; readonly code: string; readonly execution: string }
  /** Nobody said anything: the connection broke, or the answer did not come. */
  | { readonly result: 'broken'; readonly why: string };

export interface Asked {
  readonly kind: 'asked';
  readonly job: string;
  readonly door: Door;
  /** The pod that was asked, or `balancer`. */
  readonly via: string;
  /** Whether the origin may see it twice. */
  readonly idempotent: boolean;
  /** What a success must show: the digest of the body as the origin has seen it, or of its answer. */
  readonly sha256: string;
}

export type Happening =
  | Asked
  | { readonly kind: 'ended'; readonly job: string; readonly outcome: Outcome }
  | { readonly kind: 'hit'; readonly job: string }
  /** The submit of a durable job was acknowledged. */
  | { readonly kind: 'taken'; readonly job: string; readonly jobId: string }
  /** A receiver was told by callback that the job is over. */
  | { readonly kind: 'told'; readonly job: string; readonly webhookId: string }
  /** In the store after all durable jobs were over, although it belongs to one that is not. */
  | { readonly kind: 'left'; readonly what: string }
  /** Its agent is connected to that pod. */
  | { readonly kind: 'welcomed'; readonly agent: string; readonly pod: string }
  | { readonly kind: 'down'; readonly process: string; readonly how: string; readonly jobsAtOrigin: number }
  | { readonly kind: 'up'; readonly process: string };

export type Event = Happening & { readonly atMs: number };

type Of<K extends Event['kind']> = Extract<Event, { readonly kind: K }>;

/** A call with all that is known of it. */
export interface Call {
  readonly asked: Of<'asked'>;
  /** More than one would be a fault. */
  readonly ends: readonly Of<'ended'>[];
  readonly hits: number;
}

export interface Absence {
  readonly process: string;
  readonly fromMs: number;
  /** Infinity while it is away. */
  readonly untilMs: number;
}

/** A caller that could not connect tries again after a moment of its own. */
const foundAgainMs = 2_000;

export class History {
  readonly events: readonly Event[];
  readonly calls: readonly Call[];
  readonly absences: readonly Absence[];

  constructor(events: readonly Event[]) {
    this.events = events;
    const endsOf = Map.groupBy(this.of('ended'), ({ job }) => job);
    const hitsOf = Map.groupBy(this.of('hit'), ({ job }) => job);
    this.calls = this.of('asked').map((asked) => ({
      asked,
      ends: endsOf.get(asked.job) ?? [],
      hits: hitsOf.get(asked.job)?.length ?? 0,
    }));
    const ups = this.of('up');
    this.absences = this.of('down').map(({ process, atMs: fromMs }) => ({
      process,
      fromMs,
      untilMs: ups.find((up) => up.process === process && up.atMs > fromMs)?.atMs ?? Number.POSITIVE_INFINITY,
    }));
  }

  of<K extends Event['kind']>(kind: K): readonly Of<K>[] {
    return this.events.filter((event): event is Of<K> => event.kind === kind);
  }

  /** The pod that was asked was down at some time of the call, or its caller had not found it again. */
  absenceDuring({ asked, ends: [end] }: Call): Absence | undefined {
    const endedAtMs = end?.atMs ?? Number.POSITIVE_INFINITY;
    return this.absences.find(
      ({ process, fromMs, untilMs }) =>
        process === asked.via && fromMs <= endedAtMs && untilMs + foundAgainMs >= asked.atMs,
    );
  }

  /** For a call that broke off because its pod went down: from then, or from its begin, to its end. */
  silenceMs(call: Call): number | undefined {
    const [end] = call.ends;
    const absence = this.absenceDuring(call);
    if (end?.outcome.result !== 'broken' || !absence) return undefined;
    return end.atMs - Math.max(absence.fromMs, call.asked.atMs);
  }

  /** For each agent of a pod that went down: how long until it was welcomed again, anywhere. */
  recoveriesMs(): readonly number[] {
    const welcomes = this.of('welcomed');
    const agents = new Set(welcomes.map(({ agent }) => agent));
    return this.absences.flatMap(({ process, fromMs }) =>
      [...agents].flatMap((agent) => {
        const own = welcomes.filter((welcome) => welcome.agent === agent);
        const wasThere = own.findLast(({ atMs }) => atMs <= fromMs)?.pod === process;
        const back = own.find(({ atMs }) => atMs > fromMs)?.atMs ?? Number.POSITIVE_INFINITY;
        return wasThere ? [back - fromMs] : [];
      }),
    );
  }
}

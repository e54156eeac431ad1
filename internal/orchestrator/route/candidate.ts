// What choosing an exit needs to know of exits, and of those who hold them: types only.

/** What the caller asks of the exit. Empty strings, 0 and an empty map ask nothing. */
export interface Target {
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
  readonly exitId: string;
  readonly labels: ReadonlyMap<string, string>;
}

export const anyTarget: Target = { country: '', region: '', city: '', asn: 0, exitId: '', labels: new Map() };

/** One exit as the scheduler sees it. */
export interface Candidate {
  readonly exitId: string;
  readonly agentId: string;
  /** Whether its agent is connected to this pod. */
  readonly local: boolean;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
  readonly labels: ReadonlyMap<string, string>;
  /** Tenants that may use it; empty means all. */
  readonly tenants: ReadonlySet<string>;
  /** Whether it takes new jobs: its state is available and its agent is not draining. */
  readonly open: boolean;
  /** Jobs it runs at once, at most; at least 1. */
  readonly capacity: number;
  /** Jobs it runs now. */
  readonly inFlight: number;
  /** 0 (every recent attempt failed by the exit's fault) to 1. */
  readonly recentSuccess: number;
}

/** The exits that satisfy one constraint: a set that can be sampled in constant time. */
export interface CandidateSet<E extends Candidate = Candidate> {
  readonly size: number;
  at(index: number): E;
}

/** A constraint of a target, with the exits that satisfy it; the caller's tenant is one as well. */
export interface Constraint<E extends Candidate = Candidate> {
  /** As the caller wrote it, such as `country=DE`. */
  readonly name: string;
  readonly set: CandidateSet<E>;
  matches(candidate: Candidate): boolean;
}

/** The fleet as far as choosing needs it. */
export interface Fleet<E extends Candidate = Candidate> {
  byId(exitId: string): E | undefined;
  /** The exits that a tenant may use. */
  usable(tenant: string): Constraint<E>;
  /** The constraints of a target, without exitId. */
  asked(target: Target): readonly Constraint<E>[];
}

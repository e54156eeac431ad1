// One exit of a connected agent, as the pod that holds the connection knows it: the offer, plus what changes with
// every job. The channel moves the load, dispatch the success; the view and the scheduler only read.
import type { Candidate } from '../route/candidate.ts';
import type { ExitKind, ExitRecord, ExitState } from './agents.ts';

export interface ExitOffer {
  readonly exitId: string;
  readonly agentId: string;
  readonly name: string;
  readonly kind: ExitKind;
  readonly state: ExitState;
  readonly capacity: number;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
  readonly labels: ReadonlyMap<string, string>;
  readonly tenants: ReadonlySet<string>;
}

/** Weight of the newest attempt in recentSuccess: about the last ten count. */
const successWeight = 0.1;

export class LiveExit implements Candidate {
  /** Whether its agent is connected to this pod. */
  readonly local: boolean = true;
  readonly exitId: string;
  readonly agentId: string;
  readonly name: string;
  readonly kind: ExitKind;
  readonly state: ExitState;
  readonly capacity: number;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
  readonly labels: ReadonlyMap<string, string>;
  readonly tenants: ReadonlySet<string>;
  inFlight = 0;
  draining = false;
  recentSuccess = 1;

  constructor(offer: ExitOffer) {
    this.exitId = offer.exitId;
    this.agentId = offer.agentId;
    this.name = offer.name;
    this.kind = offer.kind;
    this.state = offer.state;
    this.capacity = offer.capacity;
    this.country = offer.country;
    this.region = offer.region;
    this.city = offer.city;
    this.asn = offer.asn;
    this.labels = offer.labels;
    this.tenants = offer.tenants;
  }

  get open(): boolean {
    return this.state === 'available' && !this.draining;
  }

  /** Counts one finished attempt; `good` is false only for failures that are this exit's fault. */
  recordAttempt(good: boolean): void {
    this.recentSuccess += successWeight * ((good ? 1 : 0) - this.recentSuccess);
  }

  toRecord(): ExitRecord {
    return this;
  }
}

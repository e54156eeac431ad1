// The fleet as AgentService shows it: which agents are connected where, and what they offer. One interface, so that
// the memory of one pod and a registry shared by many look the same to whoever asks.

export type AgentStatus = 'available' | 'busy' | 'draining';
export type ExitKind = 'direct' | 'proxy';
export type ExitState = 'available' | 'paused' | 'cooling' | 'quota';

export interface ExitRecord {
  readonly exitId: string;
  readonly name: string;
  readonly kind: ExitKind;
  readonly state: ExitState;
  readonly capacity: number;
  readonly inFlight: number;
  readonly country: string;
  readonly region: string;
  readonly city: string;
  readonly asn: number;
  readonly labels: ReadonlyMap<string, string>;
}

export interface AgentRecord {
  readonly connectionId: string;
  readonly agentId: string;
  readonly status: AgentStatus;
  /** Unix milliseconds. */
  readonly connectedAt: number;
  readonly lastHeartbeat: number;
  readonly podId: string;
  readonly version: string;
  readonly exits: readonly ExitRecord[];
  /** A closed list: platform, instanceId, protocol. */
  readonly metadata: Readonly<Record<string, string>>;
}

export type AgentChange =
  | { readonly type: 'added' | 'updated' | 'removed'; readonly agent: AgentRecord }
  | { readonly type: 'synced' };

/** What may be asked of the fleet. Every answer holds only what the tenant may use. */
export interface AgentDirectory {
  list(tenant: string): readonly AgentRecord[];
  get(tenant: string, agentId: string): AgentRecord | undefined;
  /** Every agent as added, then synced, then each change; ends when the signal aborts. */
  watch(tenant: string, signal: AbortSignal): AsyncIterable<AgentChange>;
}

/** What may be done to an agent; each resolves with how many connections it reached, or rejects with a JobFailure. */
export interface AgentControl {
  drain(agentId: string): Promise<number>;
  disconnect(agentId: string): Promise<number>;
}

// grpc.health.v1 from the same checks as /readyz. It is open, so what strangers can hold is bounded; and a Watch ends
// when the door closes, since a call that never ends would keep every drain waiting. The definition comes from
// grpc-health-check; its own implementation keeps each name it is asked for, for ever.
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import type { CancelTimer, Clock } from '../../../kit/clock.ts';

export type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

export interface HealthSource {
  report(): { readonly healthy: boolean };
}

interface HealthRequest {
  readonly service: string;
}
interface HealthResponse {
  readonly status: ServingStatus;
}
type Watcher = ServerWritableStream<HealthRequest, HealthResponse>;

const pollMs = 1_000;
/** Probes and load balancers need a few per client connection that they keep. */
const maxWatchers = 1_000;

export class HealthService {
  readonly definition: ServiceDefinition = service as unknown as ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  readonly #health: HealthSource;
  /** The empty name is the whole server. */
  readonly #services: ReadonlySet<string>;
  readonly #clock: Clock;
  /** What each watcher was told last. */
  readonly #watchers = new Map<Watcher, ServingStatus>();
  #cancelPoll: CancelTimer | undefined;
  #closed = false;

  constructor(health: HealthSource, services: readonly string[], clock: Clock) {
    this.#health = health;
    this.#services = new Set(['', ...services]);
    this.#clock = clock;
    this.implementation = {
      Check: (call: ServerUnaryCall<HealthRequest, HealthResponse>, callback: sendUnaryData<HealthResponse>) =>
        this.#check(call.request.service, callback),
      Watch: (call: Watcher) => this.#watch(call),
      List: (_call: unknown, callback: sendUnaryData<unknown>) => callback(null, { statuses: this.#list() }),
    };
  }

  /** Tells every watcher NOT_SERVING and ends its call; from now on that is every answer. */
  close(): void {
    this.#closed = true;
    this.#cancelPoll?.();
    for (const call of this.#watchers.keys()) {
      this.#tell(call);
      call.end();
    }
    this.#watchers.clear();
  }

  #statusOf(name: string): ServingStatus {
    if (!this.#services.has(name)) return 'SERVICE_UNKNOWN';
    return !this.#closed && this.#health.report().healthy ? 'SERVING' : 'NOT_SERVING';
  }

  #check(name: string, callback: sendUnaryData<HealthResponse>): void {
    const current = this.#statusOf(name);
    if (current === 'SERVICE_UNKNOWN') callback({ code: status.NOT_FOUND, details: 'There is no such service.' });
    else callback(null, { status: current });
  }

  #list(): Record<string, HealthResponse> {
    return Object.fromEntries(Array.from(this.#services, (name) => [name, { status: this.#statusOf(name) }]));
  }

  #watch(call: Watcher): void {
    if (this.#watchers.size >= maxWatchers) {
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'Too many watch already.' });
      return;
    }
    this.#tell(call);
    if (this.#closed) {
      call.end();
      return;
    }
    call.once('cancelled', () => this.#watchers.delete(call));
    this.#cancelPoll ??= this.#clock.after(pollMs, this.#poll);
  }

  readonly #poll = (): void => {
    for (const call of this.#watchers.keys()) this.#tell(call);
    this.#cancelPoll = this.#watchers.size > 0 ? this.#clock.after(pollMs, this.#poll) : undefined;
  };

  /** A watcher that does not read hears nothing new until it does. */
  #tell(call: Watcher): void {
    const current = this.#statusOf(call.request.service);
    const known = this.#watchers.get(call);
    if (known === current || call.writableNeedDrain) return;
    this.#watchers.set(call, current);
    call.write({ status: current });
  }
}

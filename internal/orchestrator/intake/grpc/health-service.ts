// grpc.health.v1 from the same checks as /readyz. It is open, so what strangers can hold is bounded; and a Watch ends
// when the door closes, since a call that never ends would keep every drain waiting.
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type HealthCheckRequestSchema,
  type HealthCheckResponse,
  Health as HealthDescriptor,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../../gen/grpc/health/v1/health_pb.ts';
import type { CancelTimer, Clock } from '../../../kit/clock.ts';
import { type Decoded, definitionOf, Undecodable } from './definition.ts';
import type { ServiceOfLibrary } from './reflection.ts';

export interface HealthSource {
  report(): { readonly healthy: boolean };
}

type Request = Decoded<typeof HealthCheckRequestSchema>;
type Watcher = ServerWritableStream<Request, HealthCheckResponse>;

const pollMs = 1_000;
/** Probes and load balancers need a few per client connection that they keep. */
const maxWatchers = 1_000;

export class HealthService {
  readonly service: ServiceOfLibrary;
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
    const { check, watch } = HealthDescriptor.method;
    this.service = {
      definition: { Check: definitionOf(check), Watch: definitionOf(watch) },
      implementation: {
        Check: (call: ServerUnaryCall<Request, HealthCheckResponse>, callback: sendUnaryData<HealthCheckResponse>) =>
          this.#check(nameIn(call.request), callback),
        Watch: (call: Watcher) => this.#watch(call),
      },
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

  #statusOf(name: string | undefined): ServingStatus {
    if (name === undefined || !this.#services.has(name)) return ServingStatus.SERVICE_UNKNOWN;
    return !this.#closed && this.#health.report().healthy ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  #check(name: string | undefined, callback: sendUnaryData<HealthCheckResponse>): void {
    const current = this.#statusOf(name);
    if (current === ServingStatus.SERVICE_UNKNOWN)
      callback({ code: status.NOT_FOUND, details: 'There is no such service.' });
    else callback(null, response(current));
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
    const current = this.#statusOf(nameIn(call.request));
    const known = this.#watchers.get(call);
    if (known === current || call.writableNeedDrain) return;
    this.#watchers.set(call, current);
    call.write(response(current));
  }
}

/** Undefined for a request that does not decode. */
function nameIn(request: Request): string | undefined {
  return request instanceof Undecodable ? undefined : request.service;
}

function response(current: ServingStatus): HealthCheckResponse {
  return { $typeName: 'grpc.health.v1.HealthCheckResponse', status: current };
}

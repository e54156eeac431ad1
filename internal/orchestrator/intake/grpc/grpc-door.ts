// The native gRPC door: the services, health and reflection on grpc-js, behind our own listener. It drains by GOAWAY:
// calls that run are finished, calls that come after it are for another pod.
import type { AddressInfo } from 'node:net';
import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import {
  logVerbosity,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerOptions,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { file_google_rpc_error_details } from '../../../../gen/google/rpc/error_details_pb.ts';
import { file_grpc_health_v1_health } from '../../../../gen/grpc/health/v1/health_pb.ts';
import { AgentService as AgentDescriptor, file_resproxy_v1_agent } from '../../../../gen/resproxy/v1/agent_pb.ts';
import { file_resproxy_v1_job, JobService as JobDescriptor } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { Clock } from '../../../kit/clock.ts';
import { Doorway, type DoorwayCounts, type DoorwayLimits } from '../../../kit/doorway.ts';
import type { Logger } from '../../../kit/log.ts';
import type { TimerWheel } from '../../../kit/timer-wheel.ts';
import type { TlsFiles } from '../../../kit/tls-files.ts';
import { type AddressRange, isLoopback, strangerGroup } from '../../channel/client-address.ts';
import { logDefect } from '../as-failure.ts';
import type { CallRule } from '../call.ts';
import { callerDoorway } from '../caller-doorway.ts';
import type { Gate } from '../gate.ts';
import { mountMethods, type Services } from '../methods.ts';
import { bounds } from '../validate/bounds.ts';
import { encodeRunJobResponse, encodeStreamJobResponse } from './fast-response.ts';
import { expectFirstCall } from './first-call.ts';
import { GuardedCall, type GuardOptions } from './guarded-call.ts';
import { HealthService, type HealthSource } from './health-service.ts';
import { Http2Listener } from './http2-listener.ts';
import { keepAlive } from './keep-alive.ts';
import { onlyLiveStreams } from './live-streams.ts';
import { reflectionServices } from './reflection.ts';
import { type GrpcRoute, type OnFailure, type RouteOptions, streamRoute, unaryRoute } from './route.ts';

export interface GrpcDoorOptions extends Services {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  /** Plain off loopback, because a proxy in front terminates TLS. */
  readonly allowPlaintext: boolean;
  readonly trustedProxies: readonly AddressRange[];
  readonly gate: Gate;
  readonly health: HealthSource;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly newRequestId: () => string;
  readonly log: Logger;
  readonly limits?: Partial<GrpcDoorLimits>;
}

export interface GrpcDoorLimits extends DoorwayLimits {
  /** For the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** From the preface of HTTP/2 to the first call. */
  readonly firstCallTimeoutMs: number;
  /** From the head of a call to the end of its request. */
  readonly requestTimeoutMs: number;
}

const defaultLimits: GrpcDoorLimits = {
  ...callerDoorway,
  handshakeTimeoutMs: 2_000,
  firstCallTimeoutMs: 1_800,
  requestTimeoutMs: 60_000,
};

/** A connection without calls is closed in peace after 10 min. */
const serverOptions: ServerOptions = {
  'grpc.max_receive_message_length': bounds.maxMessageBytes,
  'grpc.max_concurrent_streams': 1_000,
  'grpc.max_connection_idle_ms': 600_000,
  'grpc.enable_channelz': 0,
};

/** Every connection is asked whether it still lives. */
const rhythm = { pingMs: 30_000, deadMs: 10_000 } as const;

/** A path that nobody gave a rule. */
const mostNeeded: CallRule = { scope: 'agents:admin', isJob: false };

export class GrpcDoor {
  readonly #options: GrpcDoorOptions;
  readonly #server: Server;
  readonly #health: HealthService;
  readonly #doorway: Doorway;
  readonly #listener: Http2Listener;
  /** What a call of each path needs; `open` asks for nobody. */
  readonly #rules = new Map<string, CallRule | 'open'>();

  constructor(options: GrpcDoorOptions) {
    this.#options = options;
    const limits = { ...defaultLimits, ...options.limits };
    const { clock, trustedProxies } = options;
    this.#doorway = new Doorway({ limits, groupOf: strangerGroup(trustedProxies), clock });
    this.#server = new Server({ ...serverOptions, interceptors: [this.#interceptor(limits.requestTimeoutMs)] });
    this.#health = new HealthService(options.health, [JobDescriptor.typeName, AgentDescriptor.typeName], clock);
    this.#addServices();
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    onlyLiveStreams(this.#server);
    expectFirstCall(this.#server, { clock, timeoutMs: limits.firstCallTimeoutMs, doorway: this.#doorway });
    keepAlive(this.#server, { wheel: options.wheel, ...rhythm });
    this.#listener = new Http2Listener({
      host: options.host,
      port: options.port,
      tls: options.tls,
      doorway: this.#doorway,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      onConnection: (socket) => injector.injectConnection(socket),
    });
  }

  get doorway(): DoorwayCounts {
    return this.#doorway;
  }

  /** Rejects when it may not be plain, or the address is taken. */
  async start(): Promise<AddressInfo> {
    const { host, tls, allowPlaintext } = this.#options;
    if (!tls && !allowPlaintext && !isLoopback(host))
      throw new Error(`gRPC would listen on ${host} without TLS: give a certificate, or allow plaintext by name`);
    // It writes headers that it cannot read to the log, tokens among them.
    setLogVerbosity(logVerbosity.NONE);
    return this.#listener.start();
  }

  /** Sends GOAWAY and waits for the calls that run, at most `graceMs`; then breaks off what is left. */
  async stop(graceMs: number): Promise<void> {
    const emptied = this.#listener.stopAccepting();
    this.#health.close();
    this.#options.agents.endWatches();
    this.#options.durable.endWatches();
    // What this calls back is too early: since Node 24 the server that it closes closes the sessions too, and grpc-js
    // then takes them for ended. A session that has ended takes its socket with it, and that is what counts.
    this.#server.tryShutdown(() => {});
    const cancel = this.#options.clock.after(graceMs, () => this.#doorway.destroyAll());
    await emptied;
    cancel();
    this.#server.forceShutdown();
  }

  #addServices(): void {
    for (const { definition, rule, handler } of routes(this.#options)) {
      this.#rules.set(definition.path, rule);
      this.#server.addService({ [definition.path]: definition }, { [definition.path]: handler });
    }
    const { definition, implementation } = this.#health.service;
    for (const { path } of Object.values(definition)) this.#rules.set(path, 'open');
    this.#server.addService(definition, implementation);
    this.#addReflection();
  }

  #addReflection(): void {
    const files = [
      file_resproxy_v1_job,
      file_resproxy_v1_agent,
      file_google_rpc_error_details,
      file_grpc_health_v1_health,
    ];
    for (const { definition, implementation } of reflectionServices(files)) {
      for (const { path } of Object.values(definition)) this.#rules.set(path, { scope: undefined, isJob: false });
      this.#server.addService(definition, implementation);
    }
  }

  #interceptor(requestTimeoutMs: number): ServerInterceptor {
    const { gate, wheel, clock, newRequestId, trustedProxies } = this.#options;
    const wallMs = () => clock.wallMs();
    const doorway = this.#doorway;
    const guard: GuardOptions = { gate, doorway, wheel, wallMs, newRequestId, trustedProxies, requestTimeoutMs };
    return ({ path }, call) => {
      const rule = this.#rules.get(path) ?? mostNeeded;
      return rule === 'open' ? new ServerInterceptingCall(call) : new GuardedCall(call, rule, guard);
    };
  }
}

/** Shorter ways to the bytes of the messages that jobs are made of. */
const encoders = new Map<DescMethod, (response: never) => Uint8Array>([
  [JobDescriptor.method.runJob, encodeRunJobResponse],
  [JobDescriptor.method.streamJob, encodeStreamJobResponse],
]);

function routes({ log, ...services }: GrpcDoorOptions): GrpcRoute[] {
  const onFailure: OnFailure = (failure, { requestId }) => logDefect(log, failure, requestId);
  const mounted: GrpcRoute[] = [];
  const options = <O extends DescMessage>(method: DescMethod & { readonly output: O }, rule: CallRule) => {
    const encodeResponse = encoders.get(method) as RouteOptions<O>['encodeResponse'];
    return { rule, onFailure, ...(encodeResponse ? { encodeResponse } : {}) };
  };
  mountMethods(services, {
    unary: (method, rule, run) => mounted.push(unaryRoute(method, options(method, rule), run)),
    stream: (method, rule, run) => mounted.push(streamRoute(method, options(method, rule), run)),
  });
  return mounted;
}

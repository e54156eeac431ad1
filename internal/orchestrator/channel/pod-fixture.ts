// A pod as far as its agents go, for the tests of rooms above: real connections over lines in memory to agents that
// speak the channel by a real mux and answer as the test says.
import { create } from '@bufbuild/protobuf';
import { ExitListSchema, type ExitOffer } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { Clock } from '../../kit/clock.ts';
import { createLogger } from '../../kit/log.ts';
import { settle } from '../../kit/manual-clock.ts';
import { TimerWheel } from '../../kit/timer-wheel.ts';
import { BufferBudget } from '../../wire/budget.ts';
import { limits } from '../../wire/limits.ts';
import { Mux } from '../../wire/mux.ts';
import type { MuxObserver, MuxOptions } from '../../wire/mux-api.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import { type PairedTransport, transportPair } from '../../wire/transport-pair.ts';
import { policySchema } from '../keys/policy.ts';
import { FleetView } from '../registry/fleet-view.ts';
import { MemoryRegistry } from '../registry/memory-registry.ts';
import { AgentConnections } from './agent-connections.ts';
import { directOffer, helloOf } from './fake-agent.ts';

export const silent: MuxObserver = { bytes: () => {}, rtt: () => {}, reset: () => {}, blocked: () => {} };

export const agreement = {
  peerStreamWindow: limits.initialStreamWindowBytes,
  peerConnectionWindow: limits.initialConnectionWindowBytes,
  ownConnectionWindow: limits.initialConnectionWindowBytes,
  maxStreams: limits.maxStreamsPerConnection,
  idlePingMs: limits.idlePingMs,
  busyPingMs: limits.busyPingMs,
  idleDeadMs: limits.idleDeadMs,
  busyDeadMs: limits.busyDeadMs,
};

/** What a mux of a test is given beside its line. */
export function muxMeans(clock: Clock) {
  const budget = new BufferBudget(limits.bufferBudgetBytes);
  return { clock, random: () => 0.5, wheel: new TimerWheel(clock), budget, observer: silent };
}

export type Serve = (stream: AcceptedStream) => void;

/** Agents of the key `key`, by name; the exit of agent `a` is `key/a/direct`. */
export class PodFixture {
  readonly clock: Clock;
  readonly fleet = new FleetView();
  readonly connections: AgentConnections;
  readonly means: ReturnType<typeof muxMeans>;
  /** This pod's end of the line to each agent, in the order of their coming. */
  readonly lines: PairedTransport[] = [];
  #ids = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.means = muxMeans(clock);
    this.connections = new AgentConnections({
      ...this.means,
      podId: 'pod',
      randomBytes: (size) => new Uint8Array(size).fill(++this.#ids),
      registry: new MemoryRegistry({ podId: 'pod', fleet: this.fleet, localFleet: new FleetView() }),
      log: createLogger('test', 'silent'),
      agentGraceMs: 10_000,
    });
  }

  /** An agent connects; the mux is its end. */
  async connect(name: string, serve: Serve, offer: Partial<ExitOffer> = {}, tenants: string[] = []): Promise<Mux> {
    const [agentLine, podLine] = transportPair();
    const exits = create(ExitListSchema, { generation: 1n, exits: [{ ...directOffer, ...offer }] });
    const mux = agentMux({ ...muxMeans(this.clock), transport: agentLine, onStream: serve });
    const policy = policySchema.parse({ id: 'k1', name: 'key', digest: `sha256:${'a'.repeat(64)}`, tenants });
    this.lines.push(podLine);
    this.connections.accept({ transport: podLine, policy, observedAddress: '192.0.2.1' });
    const value = helloOf({ agentName: name, instanceId: `${name}-${++this.#ids}`, exits });
    mux.send({ case: 'hello', value });
    await settle();
    return mux;
  }

  /** Ends every connection. */
  close(): void {
    for (const line of this.lines) line.cut();
  }
}

function agentMux(options: Omit<MuxOptions, 'role' | 'onControl' | 'onEnd'>): Mux {
  const mux: Mux = new Mux({
    ...options,
    role: 'acceptor',
    onControl: (body) => body.case === 'welcome' && mux.start(agreement),
    onEnd: () => {},
  });
  return mux;
}

// What every room of a pod stands on: time and chance, the view of the fleet, the budget of buffers, metrics, health.
import { ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import { type Clock, type Random, systemClock } from '../kit/clock.ts';
import { Flag, Health } from '../kit/health.ts';
import { createLogger, type Logger } from '../kit/log.ts';
import { TimerWheel } from '../kit/timer-wheel.ts';
import { BufferBudget } from '../wire/budget.ts';
import { LoopLag, lagCheck } from './admin/loop-lag.ts';
import { Metrics } from './admin/metrics.ts';
import { FleetView } from './registry/fleet-view.ts';
import { MemoryRegistry } from './registry/memory-registry.ts';

export interface GroundConfig {
  readonly podId: string;
  readonly bufferBytes: number;
  readonly logLevel: string;
}

export interface Ground {
  readonly podId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly wheel: TimerWheel;
  readonly budget: BufferBudget;
  /** Every exit of the fleet, and those of this pod alone. */
  readonly fleet: FleetView;
  readonly localFleet: FleetView;
  readonly memory: MemoryRegistry;
  readonly metrics: Metrics;
  readonly lag: LoopLag;
  readonly health: Health;
  /** The pod itself: unwell while it starts and once it stops. That it has no agents is no fault of it. */
  readonly pod: Flag;
}

/** `redisUp` is undefined for a pod without Redis. */
export function layGround(config: GroundConfig, redisUp: (() => boolean) | undefined): Ground {
  const { podId } = config;
  const clock = systemClock;
  const fleet = new FleetView();
  const localFleet = new FleetView();
  const memory = new MemoryRegistry({ podId, fleet, localFleet });
  const budget = new BufferBudget(config.bufferBytes);
  const streamBytes = () => budget.usedBytes;
  const metrics = new Metrics({ agents: () => memory.own(), resetNames, streamBytes, redisUp });
  const lag = new LoopLag(clock, (lagMs) => metrics.loop.sample(lagMs));
  const pod = new Flag('the pod is starting');
  const health = new Health();
  health.add('pod', pod.check);
  health.add('eventLoop', lagCheck(lag));
  return {
    podId,
    clock,
    random: Math.random,
    log: createLogger('orchestrator', config.logLevel),
    wheel: new TimerWheel(clock),
    budget,
    fleet,
    localFleet,
    memory,
    metrics,
    lag,
    health,
    pod,
  };
}

const resetNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ResetCode).map(([name, number]) => [number, name]),
);

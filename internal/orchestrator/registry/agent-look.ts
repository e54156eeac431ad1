// Where is this agent now? Asked for a job that did not find it where the view said: the view lags a little, and by then
// Redis knows more.
import type { Clock } from '../../kit/clock.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import { readHeld } from './fleet-record.ts';
import type { RegistryKeys } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import { registryLimits } from './registry-limits.ts';
import type { RemoteFleet } from './remote-fleet.ts';

export interface AgentLookOptions {
  readonly redis: Pick<RedisCommands, 'run'>;
  readonly keys: RegistryKeys;
  readonly clock: Clock;
  readonly remote: RemoteFleet;
  /** The number of the last change in the view. */
  readonly change: () => number;
  readonly onFault: (error: unknown) => void;
}

export class AgentLook {
  readonly #options: AgentLookOptions;
  /** One look for all who ask for an agent at one moment. */
  readonly #running = new Map<string, PromiseWithResolvers<void>>();

  constructor(options: AgentLookOptions) {
    this.#options = options;
  }

  /** Resolves when Redis has answered or the view has heard of the agent; soon in any case. */
  async look(agentId: string): Promise<void> {
    const running = this.#running.get(agentId);
    if (running) return running.promise;
    const look = Promise.withResolvers<void>();
    this.#running.set(agentId, look);
    const { clock, onFault } = this.#options;
    const cancel = clock.after(registryLimits.refreshMs, look.resolve);
    this.#ask(agentId).then(look.resolve, onFault);
    try {
      await look.promise;
    } finally {
      cancel();
      this.#running.delete(agentId);
    }
  }

  /** The view has heard of the agent. */
  heard(agentId: string): void {
    this.#running.get(agentId)?.resolve();
  }

  async #ask(agentId: string): Promise<void> {
    const { redis, keys, remote, change } = this.#options;
    const newest = await redis.run(scripts.field, [keys.newest], [agentId]);
    if (typeof newest !== 'string') return;
    const [connectionId = '', seat = ''] = newest.split(' ');
    const value = await redis.run(scripts.field, [keys.held(seat)], [connectionId]);
    if (typeof value !== 'string') return;
    // What the view has been told already is in it, or was taken back since.
    if ((readHeld(value)?.change ?? 0) > change()) remote.put(seat, connectionId, value);
  }
}

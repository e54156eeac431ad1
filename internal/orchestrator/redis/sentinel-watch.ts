// Hears from every Sentinel of another master. After a planned failover the old one goes on taking writes for ten
// seconds and more, all of which are lost, so nobody may stay on it. (ioredis has such a watch, but follows only the
// first word of it, and writes what ails its connections to stderr.)
import { Redis } from 'ioredis';
import { type PlanFor, sentinelWatchOptions } from './connection-options.ts';

const channel = '+switch-master';

export class SentinelWatch {
  readonly #clients: readonly Redis[];

  constructor(plan: PlanFor<'sentinel'>, onSwitch: () => void) {
    const { sentinels, master } = plan.url;
    this.#clients = sentinels.map((address) => {
      const client = new Redis(sentinelWatchOptions(plan, address));
      // What keeps us from Sentinel is told by the connection that needs it for its master.
      client.on('error', () => {});
      client.on('ready', () => {
        client.subscribe(channel).catch(() => {});
      });
      client.on('message', (_, message: string) => {
        if (message.startsWith(`${master} `)) onSwitch();
      });
      return client;
    });
  }

  start(): void {
    for (const client of this.#clients) client.connect().catch(() => {});
  }

  close(): void {
    for (const client of this.#clients) client.disconnect();
  }
}
